#!/bin/sh
# Run by the postgres image when its volume is empty: the warehouse and Airflow's metadata, each with a role of its own.
set -eu

: "${DDCRM_DB_PASSWORD:?}" "${AIRFLOW_DB_PASSWORD:?}"

psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --username="${POSTGRES_USER:-postgres}" --dbname=postgres <<'SQL'
\getenv ddcrm_password DDCRM_DB_PASSWORD
\getenv airflow_password AIRFLOW_DB_PASSWORD
CREATE ROLE ddcrm LOGIN PASSWORD :'ddcrm_password';
CREATE ROLE airflow LOGIN PASSWORD :'airflow_password';
CREATE DATABASE ddcrm OWNER ddcrm;
CREATE DATABASE airflow OWNER airflow;
REVOKE ALL ON DATABASE ddcrm, airflow FROM PUBLIC;
SQL
