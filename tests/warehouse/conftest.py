"""Warehouses in which days are published, made once for a file and copied."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ddcrm.warehouse.connect import Warehouse
from ddcrm.warehouse.embedded import EmbeddedPostgres


@pytest.fixture(scope="module")
def old_days(request: pytest.FixtureRequest, postgres_server: EmbeddedPostgres, _template: str) -> Iterator[str]:
    """The file's DAYS, published, in a database to be copied."""
    from tests.warehouse.restating import filled, publish

    with filled(postgres_server, _template, lambda warehouse: publish(warehouse, request.module.DAYS)) as name:
        yield name


@pytest.fixture
def published(postgres_server: EmbeddedPostgres, old_days: str) -> Iterator[Warehouse]:
    """A warehouse with all of the file's DAYS published."""
    from tests.warehouse.restating import copy_of

    with copy_of(postgres_server, old_days) as warehouse:
        yield warehouse
