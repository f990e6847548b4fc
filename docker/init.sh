#!/bin/sh
# The one-shot before the others: Airflow's tables, the warehouse's, the password of Airflow's page. It can run again.
set -eu

airflow db migrate
ddcrm warehouse upgrade

umask 077
python - "$AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE" <<'PYTHON'
import json, os, sys
with open(sys.argv[1], "w") as file:
    json.dump({"admin": os.environ["AIRFLOW_ADMIN_PASSWORD"]}, file)
PYTHON
