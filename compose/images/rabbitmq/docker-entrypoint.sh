#!/bin/sh
# Becomes the broker under its own user.
set -e

if [ "$1" = rabbitmq-server ] && [ "$(id -u)" = 0 ]; then
    find /var/lib/rabbitmq \! -user rabbitmq -exec chown rabbitmq '{}' +
    exec setpriv --reuid=rabbitmq --regid=rabbitmq --init-groups "$0" "$@"
fi
# The script itself: Debian's command of the same name asks for the user again.
if [ "$1" = rabbitmq-server ]; then shift && set -- /usr/lib/rabbitmq/bin/rabbitmq-server "$@"; fi
exec "$@"
