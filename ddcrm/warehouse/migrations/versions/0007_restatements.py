"""Restatements: their ledger, and the schema that keeps the days they replaced."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0007"
down_revision = "0006"

MOMENT = sa.DateTime(timezone=True)
JSON = JSONB(none_as_null=True)


def upgrade() -> None:
    _schema("crm_archive", "Days that a restatement replaced, kept for undo; nobody reads them")
    op.add_column("publications", _text("restatement_id", "The restatement that put it here, if one did"), schema="ops")
    _restatements()
    _events()
    _tables()
    _batches()


def downgrade() -> None:
    for table in ("restatement_batches", "restatement_tables", "restatement_events", "restatements"):
        op.drop_table(table, schema="ops")
    op.drop_column("publications", "restatement_id", schema="ops")
    op.execute("DROP SCHEMA crm_archive")


def _schema(name: str, comment: str) -> None:
    """Create a schema unless an administrator did so: CREATE ... IF NOT EXISTS asks for the right even then."""
    owner = sa.text("SELECT pg_has_role(nspowner, 'USAGE') FROM pg_namespace WHERE nspname = :name")
    ours = op.get_bind().execute(owner.bindparams(name=name)).scalar()
    if ours is None:
        op.execute(f"CREATE SCHEMA {name}")
    if ours is not False:
        op.execute(f"COMMENT ON SCHEMA {name} IS '{comment}'")


def _text(name: str, comment: str, *, required: bool = False) -> sa.Column:
    return sa.Column(name, sa.Text, nullable=not required, comment=comment)


def _json(name: str, comment: str, *, required: bool = False) -> sa.Column:
    return sa.Column(name, JSON, nullable=not required, comment=comment)


def _moment(name: str, comment: str) -> sa.Column:
    return sa.Column(name, MOMENT, nullable=False, server_default=sa.func.now(), comment=comment)


def _restatements() -> None:
    op.create_table(
        "restatements",
        _text("id", "The restatement: r1, r2, ...", required=True),
        _text("plan_id", "sha256 of the plan", required=True),
        _json("plan", "What is to be restated", required=True),
        _json("from_versions", "The versions that the days were made by"),
        _json("to_versions", "The versions that they are made by now"),
        _text("state", "planned, approved, staging, compared, swapped, undone or dropped", required=True),
        _text("who", "Who planned it", required=True),
        _text("why", "Why", required=True),
        _json("comparison", "The restated days beside the published ones (docs/warehouse.md)"),
        sa.CheckConstraint(
            "state IN ('planned', 'approved', 'staging', 'compared', 'swapped', 'undone', 'dropped')",
            name="restatements_state",
        ),
        sa.PrimaryKeyConstraint("id"),
        schema="ops",
        comment="Each restatement: what was planned, who asked for it and why, how far it is",
    )
    op.create_index("restatements_plan", "restatements", ["plan_id"], schema="ops")


def _events() -> None:
    op.create_table(
        "restatement_events",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), nullable=False, comment="Running number"),
        _text("restatement_id", "The restatement", required=True),
        _text("event", "The state it came to; approved (again), expired", required=True),
        _text("who", "Who did it", required=True),
        _text("why", "Why"),
        _json("facts", "Counts and references"),
        _moment("recorded_at", "When"),
        sa.PrimaryKeyConstraint("id"),
        schema="ops",
        comment="What happened to each restatement: who, when, why",
    )
    op.create_index("restatement_events_restatement", "restatement_events", ["restatement_id"], schema="ops")


def _tables() -> None:
    op.create_table(
        "restatement_tables",
        _text("restatement_id", "The restatement", required=True),
        sa.Column("as_of", sa.Date, nullable=False, comment="The day"),
        _text("table_name", "The table in schema crm", required=True),
        _text("staged", "Its name in crm_staging until it is swapped in", required=True),
        sa.Column("rows", sa.BigInteger, nullable=False, comment="Rows of the day"),
        _text("digest", "sha256 of the day's content", required=True),
        _text("run_id", "The run that computed it"),
        _json("models", "The version of each model used"),
        _text("fingerprint", "Digest of everything the day was computed from"),
        _json("made_by", "The same in parts"),
        _json("checks", "What its checks said"),
        _moment("staged_at", "When it stood"),
        _text("archived", "Name in crm_archive of the table that it replaced, as long as that is kept"),
        _json("before", "The line of ops.publications that it replaced"),
        _json("before_checks", "The lines of ops.validations that its checks replaced"),
        sa.PrimaryKeyConstraint("restatement_id", "as_of", "table_name"),
        schema="ops",
        comment="Each restated table of each day: where it stands, and what it replaced",
    )


def _batches() -> None:
    op.create_table(
        "restatement_batches",
        _text("restatement_id", "The restatement", required=True),
        _text("source", "The source", required=True),
        sa.Column("batch_date", sa.Date, nullable=False, comment="The day the batch belongs to"),
        _json("before", "Its line of ops.batches and its reasons, if it was known"),
        _json("after", "The same, restated", required=True),
        sa.PrimaryKeyConstraint("restatement_id", "source", "batch_date"),
        schema="ops",
        comment="Each restated batch: its counts and reasons before and after",
    )
