"""The first tables: schemas crm and ops, the published tables, the ledger, the views of the newest complete day."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0001"
down_revision = None

MONEY = sa.Numeric(18, 2)
MOMENT = sa.DateTime(timezone=True)
JSON = JSONB(none_as_null=True)

SCHEMAS = {
    "crm": "What the business reads: scores and segments of customers, a partition a day",
    "ops": "What the engineer reads: runs, batches, checks, models, publications",
    "crm_days": "The partitions of the tables in crm; read them through crm",
    "crm_staging": "Tables being loaded and checked; nobody reads them",
}
PUBLISHED = ("customer_scores", "customer_segments", "segment_profiles", "segment_migration")


def upgrade() -> None:
    for name, comment in SCHEMAS.items():
        _schema(name, comment)
    _customer_scores()
    _customer_segments()
    _segment_profiles()
    _segment_migration()
    _runs()
    _batches()
    _batch_reasons()
    _validations()
    _models()
    _model_metrics()
    _publications()
    _complete_days()
    for table in PUBLISHED:
        _current_view(table)


def downgrade() -> None:
    for table in PUBLISHED:
        op.execute(f"DROP VIEW crm.current_{table}")
    op.execute("DROP VIEW ops.complete_days")
    for table in PUBLISHED:
        op.drop_table(table, schema="crm")  # its partitions go with it
    for table in ("publications", "model_metrics", "models", "validations", "batch_reasons", "batches", "runs"):
        op.drop_table(table, schema="ops")
    for name in ("crm_staging", "crm_days", "crm"):  # ops stays: it holds the version of the schema
        op.execute(f"DROP SCHEMA {name}")


def _schema(name: str, comment: str) -> None:
    """Create a schema unless an administrator did so: CREATE ... IF NOT EXISTS asks for the right even then."""
    owner = sa.text("SELECT pg_has_role(nspowner, 'USAGE') FROM pg_namespace WHERE nspname = :name")
    ours = op.get_bind().execute(owner.bindparams(name=name)).scalar()
    if ours is None:
        op.execute(f"CREATE SCHEMA {name}")
    if ours is not False:
        op.execute(f"COMMENT ON SCHEMA {name} IS '{comment}'")


def _complete_days() -> None:
    names = ", ".join(f"'{table}'" for table in PUBLISHED)
    op.execute(f"""
        CREATE VIEW ops.complete_days AS
        SELECT as_of, max(published_at) AS published_at
        FROM ops.publications
        WHERE table_name IN ({names})
        GROUP BY as_of
        HAVING count(*) = {len(PUBLISHED)}""")
    op.execute("COMMENT ON VIEW ops.complete_days IS 'The days of which every table is published'")


def _current_view(table: str) -> None:
    """The newest complete day; the sub-query is evaluated once, and then only that day's partition is read."""
    op.execute(f"""
        CREATE VIEW crm.current_{table} AS
        SELECT * FROM crm.{table} WHERE as_of = (SELECT max(as_of) FROM ops.complete_days)""")
    op.execute(f"COMMENT ON VIEW crm.current_{table} IS 'crm.{table} of the newest complete day'")


def _customer_scores() -> None:
    op.create_table(
        "customer_scores",
        sa.Column("as_of", sa.Date, nullable=False, comment="The day at whose end this was known"),
        sa.Column("customer_id", sa.Text, nullable=False, comment="The customer"),
        sa.Column("recency_days", sa.Integer, comment="Days from the last purchase day to as_of"),
        sa.Column("frequency", sa.Integer, comment="Purchase days after the first one"),
        sa.Column("tenure_days", sa.Integer, comment="Days from the first purchase day to as_of"),
        sa.Column("monetary_value", MONEY, comment="Mean net spend of a purchase day, over all purchase days"),
        sa.Column("r", sa.SmallInteger, comment="Recency score: 1 (long ago) to 5 (recent)"),
        sa.Column("f", sa.SmallInteger, comment="Frequency score: 1 (rare) to 5 (often)"),
        sa.Column("m", sa.SmallInteger, comment="Monetary score: 1 (little) to 5 (much)"),
        sa.Column("rfm", sa.Text, comment="The three scores as one code, such as 545"),
        sa.Column("p_alive", sa.Double, comment="Probability that the customer still buys (BG/NBD)"),
        sa.Column("expected_orders_90d", sa.Double, comment="Purchase days expected within 90 days after as_of"),
        sa.Column("expected_orders_365d", sa.Double, comment="Purchase days expected within 365 days after as_of"),
        sa.Column("clv_365d", MONEY, comment="Expected spend within 365 days after as_of, discounted"),
        sa.Column("value_tier", sa.Text, comment="The customer's tier by clv_365d"),
        sa.Column("withheld", sa.Text, comment="Why the value scores are NULL; NULL where they are given"),
        sa.Column("bgnbd_version", sa.Text, comment="Version of the BG/NBD model (ops.models)"),
        sa.Column("gamma_gamma_version", sa.Text, comment="Version of the Gamma-Gamma model (ops.models)"),
        sa.PrimaryKeyConstraint("as_of", "customer_id"),
        schema="crm",
        comment="What is known and expected of each customer at the end of the day as_of",
        postgresql_partition_by="LIST (as_of)",
    )


def _customer_segments() -> None:
    op.create_table(
        "customer_segments",
        sa.Column("as_of", sa.Date, nullable=False, comment="The day at whose end this was known"),
        sa.Column("scheme", sa.Text, nullable=False, comment="The way of segmenting: rfm, kmeans, value_tier"),
        sa.Column("customer_id", sa.Text, nullable=False, comment="The customer"),
        sa.Column("segment", sa.Text, nullable=False, comment="The segment's name"),
        sa.PrimaryKeyConstraint("as_of", "scheme", "customer_id"),
        schema="crm",
        comment="The segment of each customer in each scheme",
        postgresql_partition_by="LIST (as_of)",
    )


def _segment_profiles() -> None:
    op.create_table(
        "segment_profiles",
        sa.Column("as_of", sa.Date, nullable=False, comment="The day at whose end this was known"),
        sa.Column("scheme", sa.Text, nullable=False, comment="The way of segmenting"),
        sa.Column("segment", sa.Text, nullable=False, comment="The segment's name"),
        sa.Column("customers", sa.Integer, nullable=False, comment="Customers in the segment"),
        sa.Column("share", sa.Double, comment="Share of all customers, 0 to 1"),
        sa.Column("revenue_share", sa.Double, comment="Share of all net spend, 0 to 1"),
        sa.Column("recency_days_median", sa.Double, comment="Median of recency_days"),
        sa.Column("frequency_mean", sa.Double, comment="Mean of frequency"),
        sa.Column("monetary_value_mean", MONEY, comment="Mean of monetary_value"),
        sa.Column("clv_365d_mean", MONEY, comment="Mean of clv_365d, over the customers who have one"),
        sa.Column("typical", sa.Text, comment="What tells the segment from the others, in words"),
        sa.Column("rule", sa.Text, comment="Who belongs to it, in words"),
        sa.Column("action", sa.Text, comment="What to do"),
        sa.PrimaryKeyConstraint("as_of", "scheme", "segment"),
        schema="crm",
        comment="What is typical of each segment, and what to do about it",
        postgresql_partition_by="LIST (as_of)",
    )


def _segment_migration() -> None:
    op.create_table(
        "segment_migration",
        sa.Column("as_of", sa.Date, nullable=False, comment="The day arrived at"),
        sa.Column("scheme", sa.Text, nullable=False, comment="The way of segmenting"),
        sa.Column("from_segment", sa.Text, nullable=False, comment="The segment the day before; (new) for newcomers"),
        sa.Column("to_segment", sa.Text, nullable=False, comment="The segment at as_of"),
        sa.Column("customers", sa.Integer, nullable=False, comment="Customers who went that way"),
        sa.PrimaryKeyConstraint("as_of", "scheme", "from_segment", "to_segment"),
        schema="crm",
        comment="How many customers went from which segment to which, from the day before to as_of",
        postgresql_partition_by="LIST (as_of)",
    )


def _runs() -> None:
    op.create_table(
        "runs",
        sa.Column("run_id", sa.Text, nullable=False, comment="The run"),
        sa.Column("step", sa.Text, nullable=False, comment="The step: extract, transform, validate, train, score, publish"),
        sa.Column("source", sa.Text, comment="The source it worked on, if on one"),
        sa.Column("partition_first", sa.Date, comment="The first batch it worked on"),
        sa.Column("partition_last", sa.Date, comment="The last batch it worked on"),
        sa.Column("as_of", sa.Date, comment="The day it trained, scored or published for"),
        sa.Column("status", sa.Text, nullable=False, comment="running, succeeded or failed"),
        sa.Column("started_at", MOMENT, nullable=False, server_default=sa.func.now(), comment="When it began"),
        sa.Column("ended_at", MOMENT, comment="When it ended"),
        sa.Column("error_type", sa.Text, comment="The class of the error that ended it; Interrupted: it never reported its end"),
        sa.Column("error_message", sa.Text, comment="What the error said, without personal data"),
        sa.Column("facts", JSON, comment="Counts and references that the step reported"),
        sa.Column("orchestrator_ref", sa.Text, comment="Where the orchestrator shows it"),
        sa.CheckConstraint("status IN ('running', 'succeeded', 'failed')", name="runs_status"),
        sa.PrimaryKeyConstraint("run_id"),
        schema="ops",
        comment="Each step that ran, and how it ended",
    )
    op.create_index("runs_started_at", "runs", ["started_at"], schema="ops")
    op.create_index("runs_step", "runs", ["step", "source", "partition_first"], schema="ops")


def _batches() -> None:
    op.create_table(
        "batches",
        sa.Column("source", sa.Text, nullable=False, comment="The source"),
        sa.Column("batch_date", sa.Date, nullable=False, comment="The day the batch belongs to"),
        sa.Column("entity", sa.Text, nullable=False, comment="The canonical entity it feeds"),
        sa.Column("contract_version", sa.Text, nullable=False, comment="The contract version that read it"),
        sa.Column("contract_fingerprint", sa.Text, comment="sha256 of that contract"),
        sa.Column("landed", sa.BigInteger, nullable=False, comment="Rows that arrived"),
        sa.Column("conformed", sa.BigInteger, nullable=False, comment="Rows accepted"),
        sa.Column("quarantined", sa.BigInteger, nullable=False, comment="Rows that could not be accepted"),
        sa.Column("excluded", sa.BigInteger, nullable=False, comment="Rows left out by the contract's own rules"),
        sa.Column("duplicates", sa.BigInteger, nullable=False, comment="Rows whose key came again within the batch"),
        sa.Column("lake_version", sa.BigInteger, comment="Version of the conformed Delta table that has it"),
        sa.Column("newest_event_at", MOMENT, comment="The newest event time in it"),
        sa.Column("digest", sa.Text, comment="Digest of its conformed rows"),
        sa.Column("run_id", sa.Text, comment="The run that wrote it"),
        sa.Column("recorded_at", MOMENT, nullable=False, server_default=sa.func.now(), comment="When this line was written"),
        sa.CheckConstraint("landed = conformed + quarantined + excluded + duplicates", name="batches_add_up"),
        sa.PrimaryKeyConstraint("source", "batch_date"),
        schema="ops",
        comment="Each batch of a source: what landed, and where every row of it went",
    )
    op.create_index("batches_batch_date", "batches", ["batch_date"], schema="ops")


def _batch_reasons() -> None:
    op.create_table(
        "batch_reasons",
        sa.Column("source", sa.Text, nullable=False, comment="The source"),
        sa.Column("batch_date", sa.Date, nullable=False, comment="The day the batch belongs to"),
        sa.Column("outcome", sa.Text, nullable=False, comment="quarantined, excluded or duplicate"),
        sa.Column("reason", sa.Text, nullable=False, comment="The reason"),
        sa.Column("rows", sa.BigInteger, nullable=False, comment="Rows with this reason (a row may have several)"),
        sa.PrimaryKeyConstraint("source", "batch_date", "outcome", "reason"),
        schema="ops",
        comment="Why rows of a batch were quarantined or left out, counted",
    )


def _validations() -> None:
    op.create_table(
        "validations",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), nullable=False, comment="Running number"),
        sa.Column("run_id", sa.Text, comment="The run that checked"),
        sa.Column("source", sa.Text, comment="The source checked, if a batch was"),
        sa.Column("table_name", sa.Text, comment="The published table checked, if one was"),
        sa.Column("batch_date", sa.Date, comment="The batch, or the first of a range that was checked as one"),
        sa.Column("batch_last", sa.Date, comment="The last batch of that range"),
        sa.Column("as_of", sa.Date, comment="The day of the published table"),
        sa.Column("suite", sa.Text, comment="The suite, or freshness, volume"),
        sa.Column("expectation", sa.Text, nullable=False, comment="The check"),
        sa.Column("column_name", sa.Text, comment="The column checked, if one was"),
        sa.Column("severity", sa.Text, nullable=False, comment="critical, warning or info"),
        sa.Column("status", sa.Text, nullable=False, comment="How it came out"),
        sa.Column("evaluated", sa.BigInteger, comment="Rows looked at"),
        sa.Column("failing", sa.BigInteger, comment="Rows that failed"),
        sa.Column("observed", JSON, comment="What was observed: aggregates, no rows' values"),
        sa.Column("message", sa.Text, comment="The outcome in words"),
        sa.Column("recorded_at", MOMENT, nullable=False, server_default=sa.func.now(), comment="When this line was written"),
        sa.CheckConstraint("severity IN ('critical', 'warning', 'info')", name="validations_severity"),
        sa.CheckConstraint("(source IS NULL) <> (table_name IS NULL)", name="validations_subject"),
        sa.PrimaryKeyConstraint("id"),
        schema="ops",
        comment="The checks of each batch and of each published table, without the offending values",
    )
    op.create_index("validations_batch", "validations", ["source", "batch_date"], schema="ops")
    op.create_index("validations_table", "validations", ["table_name", "as_of"], schema="ops")


def _models() -> None:
    op.create_table(
        "models",
        sa.Column("name", sa.Text, nullable=False, comment="The model: bgnbd, gamma_gamma, kmeans"),
        sa.Column("version", sa.Text, nullable=False, comment="Its version"),
        sa.Column("trained_as_of", sa.Date, nullable=False, comment="The day at whose end its training data was known"),
        sa.Column("training_first", sa.Date, comment="The first day of its training window"),
        sa.Column("training_last", sa.Date, comment="The last day of its training window"),
        sa.Column("data_digest", sa.Text, comment="Digest of the training data"),
        sa.Column("fingerprint", sa.Text, comment="Digest of the artifact"),
        sa.Column("card", JSON, comment="The model card: parameters, method, data, limits"),
        sa.Column("run_id", sa.Text, comment="The run that trained it"),
        sa.Column("recorded_at", MOMENT, nullable=False, server_default=sa.func.now(), comment="When this line was written"),
        sa.PrimaryKeyConstraint("name", "version"),
        schema="ops",
        comment="Each trained model: what it learned from, and its card",
    )
    op.create_index("models_trained_as_of", "models", ["name", "trained_as_of"], schema="ops")


def _model_metrics() -> None:
    op.create_table(
        "model_metrics",
        sa.Column("name", sa.Text, nullable=False, comment="The model"),
        sa.Column("version", sa.Text, nullable=False, comment="Its version"),
        sa.Column("metric", sa.Text, nullable=False, comment="The metric"),
        sa.Column("value", sa.Double, comment="Its value"),
        sa.PrimaryKeyConstraint("name", "version", "metric"),
        schema="ops",
        comment="The metrics of each trained model",
    )


def _publications() -> None:
    op.create_table(
        "publications",
        sa.Column("as_of", sa.Date, nullable=False, comment="The day"),
        sa.Column("table_name", sa.Text, nullable=False, comment="The table in schema crm"),
        sa.Column("rows", sa.BigInteger, nullable=False, comment="Rows of the day"),
        sa.Column("digest", sa.Text, nullable=False, comment="sha256 of the day's content (docs/warehouse.md)"),
        sa.Column("run_id", sa.Text, comment="The run that published it"),
        sa.Column("models", JSON, comment="The version of each model used"),
        sa.Column("fingerprint", sa.Text, comment="Digest of everything the day was computed from"),
        sa.Column("published_at", MOMENT, nullable=False, server_default=sa.func.now(), comment="When it became visible"),
        sa.PrimaryKeyConstraint("as_of", "table_name"),
        schema="ops",
        comment="Each published table of each day; a day is complete when all its tables are here",
    )
