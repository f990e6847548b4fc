"""Run by Alembic: migrates over the connection that `ddcrm.warehouse.migrate` hands it, in that transaction."""

from typing import Any

from alembic import context

from ddcrm.warehouse.tables import CRM, OPS, metadata

connection = context.config.attributes["connection"]


def ours(name: str | None, kind: str, parents: Any) -> bool:
    """Partitions and tables being loaded are not of the migrations' making."""
    return name in (CRM, OPS) if kind == "schema" else True


context.configure(
    connection=connection,
    target_metadata=metadata,
    version_table="schema_version",
    version_table_schema=OPS,
    include_schemas=True,
    include_name=ours,
)
context.run_migrations()
