"""Importing this imports the packages that the steps need: for a process that forks one process a step.

Airflow's LocalExecutor is such a one: with `mp_start_method = forkserver` and this module among
`mp_forkserver_preload` its tasks inherit the packages, which costs each task seconds of CPU otherwise
(docs/airflow.md has the figures). Other people's packages only: the project's own modules are read by each task
anew, so that a change counts at once. Nothing is called: no connection may stand in what is forked.
"""

from __future__ import annotations

import importlib
import logging
import warnings

PACKAGES = (
    "adbc_driver_postgresql.dbapi",
    "alembic.command",
    "alembic.config",
    "deltalake",
    "dlt.sources.rest_api",
    "duckdb",
    "great_expectations",
    "jsonschema_rs",
    "open_data_contract_standard.model",
    "ibis.backends.duckdb",
    "pandas",
    "psycopg",
    "pyarrow.csv",
    "pyarrow.dataset",
    "pyarrow.parquet",
    "pydantic_settings",
    "scipy.optimize",
    "scipy.special",
    "skops.io",
    "sklearn.cluster",
    "sklearn.metrics",
    "sqlalchemy.dialects.postgresql.psycopg",
)

for _name in PACKAGES:
    try:
        with warnings.catch_warnings():  # skops asks every module for every name, and Airflow's answer with warnings
            warnings.simplefilter("ignore")
            importlib.import_module(_name)
    except Exception as _error:  # whoever needs it will fail with the whole story
        logging.getLogger("ddcrm").warning("%s can't be preloaded: %s", _name, _error)
