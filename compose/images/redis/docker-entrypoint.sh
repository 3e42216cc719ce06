#!/bin/sh
# Becomes the server under its own user. Options or a configuration file may stand alone, as with Docker's official image,
# which also listens beyond loopback where nothing else is said.
set -e

if [ "${1#-}" != "$1" ] || [ "${1%.conf}" != "$1" ]; then set -- redis-server "$@"; fi
if [ "$1" = redis-server ] && [ "$(id -u)" = 0 ]; then
    find . \! -user redis -exec chown redis '{}' +
    exec setpriv --reuid=redis --regid=redis --init-groups "$0" "$@"
fi
if [ "$*" = redis-server ]; then set -- redis-server --protected-mode no --bind '* -::*'; fi
exec "$@"
