#!/bin/sh
# Read by the image of Postgres from /docker-entrypoint-initdb.d, which has started the new server on its socket.
set -eu
psql --username "$POSTGRES_USER" --dbname postgres --no-password --set ON_ERROR_STOP=1 \
    --set owner_password="$(cat /run/secrets/owner_password)" --file /etc/taskqueue/owner.sql
