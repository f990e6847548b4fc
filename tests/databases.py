"""Databases for tests: copies of others."""

from __future__ import annotations

import psycopg
from psycopg import sql
from sqlalchemy import make_url

from ddcrm.warehouse.connect import Warehouse


def copy_database(url: str, name: str, template: str) -> str:
    """Create `name` on the server of a URL, as `template` is, to which nobody is connected; returns its URL."""
    with psycopg.connect(Warehouse(url).conninfo, dbname="postgres", autocommit=True) as admin:
        names = sql.Identifier(name), sql.Identifier(template)
        admin.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(*names))
    return make_url(url).set(database=name).render_as_string(hide_password=False)
