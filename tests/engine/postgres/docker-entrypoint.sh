#!/bin/sh
# Starts PostgreSQL, on the first start in an empty PGDATA with POSTGRES_USER, POSTGRES_PASSWORD and POSTGRES_DB as the
# official image does. Nothing listens before the database is complete: it is made in single-user mode.
set -eu

if [ "${1:-postgres}" != postgres ]; then
    exec "$@"
fi
for word in "$@"; do
    case "$word" in
        '-?' | --help | --describe-config | -V | --version) exec "$@" ;;
    esac
done
if [ "$(id -u)" = 0 ]; then
    mkdir -p "$PGDATA"
    chown -R postgres:postgres "$PGDATA"
    chmod 700 "$PGDATA"
    mkdir -p /var/run/postgresql
    chown postgres:postgres /var/run/postgresql
    exec setpriv --reuid=postgres --regid=postgres --init-groups "$0" "$@"
fi

if [ ! -s "$PGDATA/PG_VERSION" ]; then
    user="${POSTGRES_USER:-postgres}"
    database="${POSTGRES_DB:-$user}"
    method="${POSTGRES_HOST_AUTH_METHOD:-scram-sha-256}"
    if [ -z "${POSTGRES_PASSWORD:-}" ] && [ "$method" != trust ]; then
        echo "POSTGRES_PASSWORD must be set (or POSTGRES_HOST_AUTH_METHOD=trust)" >&2
        exit 1
    fi
    secret="$(mktemp)"
    printf '%s\n' "${POSTGRES_PASSWORD:-unused}" >"$secret"
    # shellcheck disable=SC2086 # several options in one variable, as documented
    initdb --username="$user" --pwfile="$secret" --encoding=UTF8 --auth-local=trust --auth-host="$method" \
        ${POSTGRES_INITDB_ARGS:-} -D "$PGDATA"
    rm -f "$secret"
    printf 'host all all all %s\n' "$method" >>"$PGDATA/pg_hba.conf"
    printf "listen_addresses = '*'\n" >>"$PGDATA/postgresql.conf"
    if [ "$database" != postgres ]; then
        quoted="$(printf '%s' "$database" | sed 's/"/""/g')"
        printf 'CREATE DATABASE "%s"\n' "$quoted" | postgres --single -j -D "$PGDATA" postgres
    fi
fi
shift || true
exec postgres -D "$PGDATA" "$@"
