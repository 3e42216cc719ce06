#!/bin/sh
# Becomes `weed` under its own user, its data in /data. Like the published image's script it says how large volumes are, and
# as many of them as the disk has room for unless it is told.
set -e

if [ "$(id -u)" = 0 ]; then
    find /data \! -user seaweed -exec chown seaweed '{}' +
    exec setpriv --reuid=seaweed --regid=seaweed --init-groups "$0" "$@"
fi
case $1 in
    server)
        shift
        case " $* " in *' -volume.max='* | *' -volume.max '*) ;; *) set -- -volume.max=0 "$@" ;; esac
        exec weed -logtostderr=true server -dir=/data -master.volumePreallocate -master.volumeSizeLimitMB=1024 "$@"
        ;;
    mini)
        shift
        exec weed -logtostderr=true mini -dir=/data "$@"
        ;;
esac
exec weed "$@"
