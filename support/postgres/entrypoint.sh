#!/bin/sh
# Initialise a data folder of this container's own and become PostgreSQL, TLS on.
# /run/database holds, put there before the start: server.crt, server.key, superuser-password, init.sql.
set -eu
data=/var/lib/postgresql/data
bin=/usr/lib/postgresql/17/bin
if [ ! -s "$data/PG_VERSION" ]; then
    "$bin/initdb" --pgdata="$data" --username=postgres --pwfile=/run/database/superuser-password \
        --auth-host=scram-sha-256 --auth-local=peer --encoding=UTF8 --locale=C.UTF-8 --no-sync > /dev/null
    cp /run/database/server.crt /run/database/server.key "$data/"
    chmod 600 "$data/server.key"
    printf '%s\n' 'local all all peer' 'hostssl all all all scram-sha-256' > "$data/pg_hba.conf"
    "$bin/postgres" --single -D "$data" -j postgres < /run/database/init.sql > /dev/null
fi
exec "$bin/postgres" -D "$data" -c listen_addresses='*' -c ssl=on -c max_connections=100 \
    -c unix_socket_directories=/tmp -c ssl_cert_file="$data/server.crt" -c ssl_key_file="$data/server.key" "$@"
