#!/usr/bin/env bash
# Makes the data folder when there is none, as Docker's official image does, then becomes the server: POSTGRES_USER,
# POSTGRES_PASSWORD or POSTGRES_PASSWORD_FILE, POSTGRES_DB, POSTGRES_INITDB_ARGS, POSTGRES_HOST_AUTH_METHOD, and the
# scripts in /docker-entrypoint-initdb.d.
set -euo pipefail

if [ "${1:0:1}" = - ]; then set -- postgres "$@"; fi
if [ "$1" != postgres ]; then exec "$@"; fi

# By root, whom alone the file need let read it.
if [ -n "${POSTGRES_PASSWORD_FILE:-}" ]; then
    POSTGRES_PASSWORD=$(<"$POSTGRES_PASSWORD_FILE")
    export POSTGRES_PASSWORD
    unset POSTGRES_PASSWORD_FILE
fi

if [ "$(id -u)" = 0 ]; then
    install -d -o postgres -g postgres -m 700 "$PGDATA"
    exec setpriv --reuid=postgres --regid=postgres --init-groups "$BASH_SOURCE" "$@"
fi

if [ ! -s "$PGDATA/PG_VERSION" ]; then
    user=${POSTGRES_USER:-postgres}
    database=${POSTGRES_DB:-$user}
    password=${POSTGRES_PASSWORD:-}
    method=${POSTGRES_HOST_AUTH_METHOD:-}
    if [ -z "$password" ] && [ "$method" != trust ]; then
        echo >&2 'Error: Database is uninitialized and superuser password is not specified.'
        exit 1
    fi
    # Word by word, as the official image takes them.
    # shellcheck disable=SC2086
    initdb --username="$user" --pwfile=<(printf '%s\n' "$password") ${POSTGRES_INITDB_ARGS:-}
    printf '\nhost all all all %s\n' "${method:-scram-sha-256}" >>"$PGDATA/pg_hba.conf"
    printf "\nlisten_addresses = '*'\n" >>"$PGDATA/postgresql.conf"
    export PGPASSWORD=$password
    # With the server's own options, but seen by nobody yet.
    pg_ctl --pgdata "$PGDATA" --options "$(printf '%q ' "${@:2}" -c listen_addresses= -p 5432)" --wait start
    run() { psql -v ON_ERROR_STOP=1 --no-password --no-psqlrc --username "$user" "$@"; }
    if [ "$database" != postgres ]; then
        run --dbname postgres --set db="$database" <<<'CREATE DATABASE :"db";'
    fi
    for script in /docker-entrypoint-initdb.d/*; do
        case $script in
            *.sql) run --dbname "$database" --file "$script" ;;
            *.sh) POSTGRES_USER=$user POSTGRES_DB=$database bash "$script" ;;
        esac
    done
    pg_ctl --pgdata "$PGDATA" --mode fast --wait stop
    unset PGPASSWORD
    printf '\nPostgreSQL init process complete; ready for start up.\n\n'
fi
exec "$@"
