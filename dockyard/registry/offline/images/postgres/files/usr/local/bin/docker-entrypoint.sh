#!/bin/bash
# Starts PostgreSQL with the settings that Docker Hub's image takes: POSTGRES_PASSWORD,
# POSTGRES_USER, POSTGRES_DB, POSTGRES_INITDB_ARGS (each also as a file, NAME_FILE),
# POSTGRES_HOST_AUTH_METHOD, and scripts in /docker-entrypoint-initdb.d for an empty database.
set -euo pipefail

# setting NAME DEFAULT: the value of a variable, of the file that NAME_FILE names, or the default.
setting() {
    local name=$1 file=${1}_FILE
    if [ -n "${!name:-}" ] && [ -n "${!file:-}" ]; then
        echo "error: both $name and $file are set; choose one" >&2
        exit 1
    fi
    if [ -n "${!file:-}" ]; then
        export "$name=$(< "${!file}")"
    else
        export "$name=${!name:-$2}"
    fi
    unset "$file"
}

sql() { psql --no-psqlrc --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" "$@"; }

create_database() {
    local method=${POSTGRES_HOST_AUTH_METHOD:-}
    if [ -z "$POSTGRES_PASSWORD" ] && [ "$method" != trust ]; then
        echo "Error: Database is uninitialized and superuser password is not specified." >&2
        echo "       Start the container with a password: -e POSTGRES_PASSWORD=..." >&2
        exit 1
    fi
    eval 'initdb --username="$POSTGRES_USER" --pwfile=<(echo "$POSTGRES_PASSWORD")' \
        "$POSTGRES_INITDB_ARGS"
    echo "host all all all ${method:-scram-sha-256}" >> "$PGDATA/pg_hba.conf"
    # Only this script reaches the server before everything is in place.
    export PGPASSWORD=$POSTGRES_PASSWORD
    pg_ctl --pgdata "$PGDATA" --options "-c listen_addresses=''" --wait start
    if [ "$POSTGRES_DB" != postgres ]; then
        echo 'CREATE DATABASE :"name"' | sql --dbname postgres --set name="$POSTGRES_DB"
    fi
    local script
    for script in /docker-entrypoint-initdb.d/*; do
        case $script in
            *.sh) if [ -x "$script" ]; then "$script"; else . "$script"; fi ;;
            *.sql) sql --dbname "$POSTGRES_DB" --file "$script" ;;
            *.sql.gz) gunzip --stdout "$script" | sql --dbname "$POSTGRES_DB" ;;
        esac
    done
    pg_ctl --pgdata "$PGDATA" --mode fast --wait stop
    unset PGPASSWORD
    printf '\nPostgreSQL init process complete; ready for start up.\n\n'
}

[ "${1:0:1}" != - ] || set -- postgres "$@"
if [ "$1" = postgres ]; then
    if [ "$(id -u)" = 0 ]; then
        mkdir -p "$PGDATA" /var/run/postgresql
        chmod 700 "$PGDATA"
        find "$PGDATA" /var/run/postgresql \! -user postgres -exec chown postgres '{}' +
        export HOME=/var/lib/postgresql
        exec setpriv --reuid=postgres --regid=postgres --init-groups "$0" "$@"
    fi
    setting POSTGRES_PASSWORD ""
    setting POSTGRES_USER postgres
    setting POSTGRES_DB "$POSTGRES_USER"
    setting POSTGRES_INITDB_ARGS ""
    if [ -s "$PGDATA/PG_VERSION" ]; then
        printf '\nPostgreSQL Database directory appears to contain a database; Skipping initialization\n\n'
    else
        create_database
    fi
fi
exec "$@"
