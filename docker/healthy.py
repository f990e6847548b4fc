"""Exit 0 where a part of Airflow says that it is well: metadatabase, scheduler, dag_processor or triggerer."""

import json
import os
import sys
import urllib.request

# the API server keeps the others' heartbeats; asking it costs nothing, where `airflow jobs check` takes seconds of CPU
base = os.environ.get("AIRFLOW__CORE__EXECUTION_API_SERVER_URL", "http://127.0.0.1:8080/execution/")
url = base.removesuffix("/").removesuffix("/execution") + "/api/v2/monitor/health"

try:
    with urllib.request.urlopen(url, timeout=8) as answer:  # noqa: S310
        status = json.load(answer)[sys.argv[1]]["status"]
except OSError as error:
    sys.exit(f"the API server does not answer: {error}")
sys.exit(0 if status == "healthy" else f"{sys.argv[1]} is {status}")
