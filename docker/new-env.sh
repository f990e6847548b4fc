#!/bin/sh
# Write .env with new secrets, once: docker-compose reads it. What stands there already is never overwritten.
set -eu

cd "$(dirname "$0")/.."
secret() { openssl rand -hex 24; }

if [ -e .env ]; then
    echo "There is a .env already: it stays as it is." >&2
    exit 1
fi
umask 077
cat > .env <<ENV
POSTGRES_PASSWORD=$(secret)
DDCRM_DB_PASSWORD=$(secret)
AIRFLOW_DB_PASSWORD=$(secret)
AIRFLOW_FERNET_KEY=$(openssl rand -base64 32 | tr '+/' '-_')
AIRFLOW_SECRET_KEY=$(secret)
AIRFLOW_JWT_SECRET=$(secret)
AIRFLOW_ADMIN_PASSWORD=$(secret)
ENV
echo "Wrote .env. Keep it safe: with AIRFLOW_FERNET_KEY lost, Airflow's connections can't be read any more."
