#!/bin/sh
# Becomes RustFS. The program's name may stand before its options or be left out; the folders that RUSTFS_VOLUMES names are
# made, and are what it serves unless a folder is named here.
set -e

if [ "$1" = rustfs ] || [ "$1" = /usr/bin/rustfs ]; then shift; fi
volumes=$(printf %s "${RUSTFS_VOLUMES:-/data}" | tr ',\t' '  ')
for volume in $volumes; do
    case $volume in /*) mkdir -p "$volume" ;; esac
done
case ${RUSTFS_OBS_LOG_DIRECTORY:-} in /*) mkdir -p "$RUSTFS_OBS_LOG_DIRECTORY" ;; esac
for word in "$@"; do
    case $word in /*) exec /usr/bin/rustfs "$@" ;; esac
done
# Several volumes are several words.
# shellcheck disable=SC2086
exec /usr/bin/rustfs "$@" $volumes
