"""The tables of the warehouse, as SQLAlchemy knows them; `migrations/` makes them.

Schema crm is what the business reads: each table list-partitioned by as_of, a partition a day, and for each a view
`current_<table>` of the newest complete day. The partitions stand in crm_days, tables being loaded in crm_staging, days
that a restatement replaced in crm_archive. Schema ops is what the engineer reads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Double,
    Identity,
    Index,
    Integer,
    MetaData,
    Numeric,
    SmallInteger,
    Table,
    Text,
    func,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeEngine

if TYPE_CHECKING:
    import pyarrow as pa

CRM, OPS, DAYS, STAGING, ARCHIVE = "crm", "ops", "crm_days", "crm_staging", "crm_archive"

metadata = MetaData()


def _key(name: str, kind: type[TypeEngine[Any]], comment: str) -> Column[Any]:
    return Column(name, kind, primary_key=True, nullable=False, autoincrement=False, comment=comment)


def _column(
    name: str, kind: type[TypeEngine[Any]] | TypeEngine[Any], comment: str, *, required: bool = False, now: bool = False
) -> Column[Any]:
    default = func.now() if now else None
    return Column(name, kind, nullable=not (required or now), server_default=default, comment=comment)


def _published(name: str, comment: str, *columns: Column[Any]) -> Table:
    return Table(name, metadata, *columns, schema=CRM, comment=comment, postgresql_partition_by="LIST (as_of)")


def _ledger(name: str, comment: str, *parts: Any) -> Table:
    return Table(name, metadata, *parts, schema=OPS, comment=comment)


MONEY = Numeric(18, 2)
MOMENT = DateTime(timezone=True)
JSON = JSONB(none_as_null=True)

customer_scores = _published(
    "customer_scores",
    "What is known and expected of each customer at the end of the day as_of",
    _key("as_of", Date, "The day at whose end this was known"),
    _key("customer_id", Text, "The customer"),
    _column("recency_days", Integer, "Days from the last purchase day to as_of"),
    _column("frequency", Integer, "Purchase days after the first one"),
    _column("tenure_days", Integer, "Days from the first purchase day to as_of"),
    _column("monetary_value", MONEY, "Mean net spend of a purchase day, over all purchase days"),
    _column("r", SmallInteger, "Recency score: 1 (long ago) to 5 (recent)"),
    _column("f", SmallInteger, "Frequency score: 1 (rare) to 5 (often)"),
    _column("m", SmallInteger, "Monetary score: 1 (little) to 5 (much)"),
    _column("rfm", Text, "The three scores as one code, such as 545"),
    _column("p_alive", Double, "Probability that the customer still buys (by alive_model)"),
    _column("expected_orders_90d", Double, "Purchase days expected within 90 days after as_of"),
    _column("expected_orders_365d", Double, "Purchase days expected within 365 days after as_of"),
    _column("clv_365d", MONEY, "Expected spend within 365 days after as_of, discounted"),
    _column("value_tier", Text, "The customer's tier by clv_365d"),
    _column("withheld", Text, "Why the value scores are NULL; NULL where they are given"),
    _column("loyalty_score", Double, "Loyalty, 0 to 99: the mean of its parts that are known; NULL without the scheme"),
    _column("loyalty_often", SmallInteger, "Per cent of customers who bought on fewer days of the window"),
    _column("loyalty_much", SmallInteger, "Per cent of customers who spent less in the window"),
    _column("loyalty_kinds", SmallInteger, "Per cent of customers who bought fewer different products"),
    _column("loyalty_regular", SmallInteger, "Per cent of customers who bought less regularly"),
    _column("value_method", Text, "The method that speaks of value: the champion of the back-test"),
    _column("orders_method", Text, "The method behind the expected orders"),
    _column("alive_model", Text, "The model behind p_alive"),
    _column("value_version", Text, "Version of the champion (ops.models, name value), whose card names all else"),
    _column("clv_365d_low", MONEY, "Lower end of the 90 % interval of the spend that clv_365d expects"),
    _column("clv_365d_high", MONEY, "Its upper end"),
)

customer_segments = _published(
    "customer_segments",
    "The segment of each customer in each scheme",
    _key("as_of", Date, "The day at whose end this was known"),
    _key("scheme", Text, "The way of segmenting (docs/models.md)"),
    _key("customer_id", Text, "The customer"),
    _column("segment", Text, "The segment's name", required=True),
)

segment_profiles = _published(
    "segment_profiles",
    "What is typical of each segment, and what to do about it",
    _key("as_of", Date, "The day at whose end this was known"),
    _key("scheme", Text, "The way of segmenting"),
    _key("segment", Text, "The segment's name"),
    _column("customers", Integer, "Customers in the segment", required=True),
    _column("share", Double, "Share of all customers, 0 to 1"),
    _column("revenue_share", Double, "Share of all net spend, 0 to 1"),
    _column("recency_days_median", Double, "Median of recency_days"),
    _column("frequency_mean", Double, "Mean of frequency"),
    _column("monetary_value_mean", MONEY, "Mean of monetary_value"),
    _column("clv_365d_mean", MONEY, "Mean of clv_365d, over the customers who have one"),
    _column("typical", Text, "What tells the segment from the others, in words"),
    _column("rule", Text, "Who belongs to it, in words"),
    _column("action", Text, "What to do"),
    _column(
        "explanation",
        Text,
        "Why somebody is in it: at most three questions, learned from the customers of the day",
    ),
    _column("fidelity", Double, "Share of all customers of whom these words and the scheme say the same, 0 to 1"),
    _column("explained_share", Double, "The same share among the customers of this segment, 0 to 1"),
)

segment_migration = _published(
    "segment_migration",
    "How many customers went from which segment to which, from the day before to as_of",
    _key("as_of", Date, "The day arrived at"),
    _key("scheme", Text, "The way of segmenting"),
    _key("from_segment", Text, "The segment the day before; (new) for newcomers"),
    _key("to_segment", Text, "The segment at as_of"),
    _column("customers", Integer, "Customers who went that way", required=True),
)

cohort_retention = _published(
    "cohort_retention",
    "Of the customers of each month of first purchase, who bought in each month since",
    _key("as_of", Date, "The day at whose end this was known"),
    _key("cohort", Date, "First day of the month of the first purchase"),
    _key("months_since", Integer, "Calendar months since then; the last one ends at as_of"),
    _column("customers", Integer, "Customers of the cohort", required=True),
    _column("active", Integer, "Those of them who bought in that month", required=True),
    _column("retention", Double, "active by customers, 0 to 1", required=True),
    _column("revenue", MONEY, "Net spend of the cohort's customers in that month", required=True),
)

revenue_tree = _published(
    "revenue_tree",
    "What moved revenue between the last period_days days and as many before; each split sums to the change",
    _key("as_of", Date, "The last day of the later period"),
    _key("period_days", Integer, "Days of each of the two periods"),
    _key("split", Text, "total; class (of customer); factor; kept_factor (of the customers who bought in both)"),
    _key("node", Text, "The part: total, new, lost, ..., customers, orders_per_customer, spend_per_order"),
    _column("customers_before", BigInteger, "Customers who bought in the earlier period"),
    _column("customers_after", BigInteger, "Customers who bought in the later period"),
    _column("orders_before", BigInteger, "Their orders in the earlier period"),
    _column("orders_after", BigInteger, "Their orders in the later period"),
    _column("revenue_before", MONEY, "Net spend in the earlier period"),
    _column("revenue_after", MONEY, "Net spend in the later period"),
    _column("factor_before", Double, "The factor's value in the earlier period"),
    _column("factor_after", Double, "The factor's value in the later period"),
    _column("change", MONEY, "What this part adds to the change of revenue", required=True),
)

value_by_period = _published(
    "value_by_period",
    "Customer value in the accountant's sense: profit by calendar month, and weighted by the share of the market",
    _key("as_of", Date, "The day at whose end this was known"),
    _key("period", Date, "First day of the month"),
    _column("until_day", Date, "Last day of the month, or as_of", required=True),
    _column("customers", Integer, "Customers who bought in the month", required=True),
    _column("revenue", MONEY, "Net spend of all customers", required=True),
    _column("cost", MONEY, "What it cost; NULL where a line has no cost and no margin is set"),
    _column("profit", MONEY, "revenue less cost: profit-centred value"),
    _column("cumulative_profit", MONEY, "Profit up to this month"),
    _column("market_share", Numeric(9, 6), "Share of the market, 0 to 1; NULL where it is not known"),
    _column("market_value", MONEY, "profit x market_share: market-centred value"),
    _column("cumulative_market_value", MONEY, "The same up to this month"),
)

runs = _ledger(
    "runs",
    "Each step that ran, and how it ended",
    _key("run_id", Text, "The run"),
    _column("step", Text, "The step: extract, transform, validate, train, score, publish", required=True),
    _column("source", Text, "The source it worked on, if on one"),
    _column("partition_first", Date, "The first batch it worked on"),
    _column("partition_last", Date, "The last batch it worked on"),
    _column("as_of", Date, "The day it trained, scored or published for"),
    _column("status", Text, "running, succeeded or failed", required=True),
    _column("started_at", MOMENT, "When it began", now=True),
    _column("ended_at", MOMENT, "When it ended"),
    _column("error_type", Text, "The class of the error that ended it; Interrupted: it never reported its end"),
    _column("error_message", Text, "What the error said, without personal data"),
    _column("facts", JSON, "Counts and references that the step reported"),
    _column("orchestrator_ref", Text, "Where the orchestrator shows it"),
    CheckConstraint("status IN ('running', 'succeeded', 'failed')", name="runs_status"),
    Index("runs_started_at", "started_at"),
    Index("runs_step", "step", "source", "partition_first"),
)

batches = _ledger(
    "batches",
    "Each batch of a source: what landed, and where every row of it went",
    _key("source", Text, "The source"),
    _key("batch_date", Date, "The day the batch belongs to"),
    _column("entity", Text, "The canonical entity it feeds", required=True),
    _column("contract_version", Text, "The contract version that read it", required=True),
    _column("contract_fingerprint", Text, "sha256 of that contract"),
    _column("landed", BigInteger, "Rows that arrived", required=True),
    _column("conformed", BigInteger, "Rows accepted", required=True),
    _column("quarantined", BigInteger, "Rows that could not be accepted", required=True),
    _column("excluded", BigInteger, "Rows left out by the contract's own rules", required=True),
    _column("duplicates", BigInteger, "Rows whose key came again within the batch", required=True),
    _column("lake_version", BigInteger, "Version of the conformed Delta table that has it"),
    _column("newest_event_at", MOMENT, "The newest event time in it"),
    _column("digest", Text, "Digest of its conformed rows"),
    _column("used_digest", Text, "Digest of the columns of them that features can read"),
    _column("made_by", JSON, "What decided its rows: contract, suite, landed files, code (ddcrm/lake/made_by.py)"),
    _column("run_id", Text, "The run that wrote it"),
    _column("recorded_at", MOMENT, "When this line was written", now=True),
    CheckConstraint("landed = conformed + quarantined + excluded + duplicates", name="batches_add_up"),
    Index("batches_batch_date", "batch_date"),
)

batch_reasons = _ledger(
    "batch_reasons",
    "Why rows of a batch were quarantined or left out, counted",
    _key("source", Text, "The source"),
    _key("batch_date", Date, "The day the batch belongs to"),
    _key("outcome", Text, "quarantined, excluded or duplicate"),
    _key("reason", Text, "The reason"),
    _column("rows", BigInteger, "Rows with this reason (a row may have several)", required=True),
)

validations = _ledger(
    "validations",
    "The checks of each batch and of each published table, without the offending values",
    Column("id", BigInteger, Identity(always=True), primary_key=True, comment="Running number"),
    _column("run_id", Text, "The run that checked"),
    _column("source", Text, "The source checked, if a batch was"),
    _column("table_name", Text, "The published table checked, if one was"),
    _column("batch_date", Date, "The batch, or the first of a range that was checked as one"),
    _column("batch_last", Date, "The last batch of that range"),
    _column("as_of", Date, "The day of the published table"),
    _column("suite", Text, "The suite, or freshness, volume"),
    _column("expectation", Text, "The check", required=True),
    _column("column_name", Text, "The column checked, if one was"),
    _column("severity", Text, "critical, warning or info", required=True),
    _column("status", Text, "How it came out", required=True),
    _column("evaluated", BigInteger, "Rows looked at"),
    _column("failing", BigInteger, "Rows that failed"),
    _column("observed", JSON, "What was observed: aggregates, no rows' values"),
    _column("message", Text, "The outcome in words"),
    _column("recorded_at", MOMENT, "When this line was written", now=True),
    CheckConstraint("(source IS NULL) <> (table_name IS NULL)", name="validations_subject"),
    CheckConstraint("severity IN ('critical', 'warning', 'info')", name="validations_severity"),
    Index("validations_batch", "source", "batch_date"),
    Index("validations_table", "table_name", "as_of"),
)

models = _ledger(
    "models",
    "Each trained model: what it learned from, and its card",
    _key("name", Text, "The model: bgnbd, gamma_gamma, value (the champion), kmeans and others"),
    _key("version", Text, "Its version"),
    _column("trained_as_of", Date, "The day at whose end its training data was known", required=True),
    _column("training_first", Date, "The first day of its training window"),
    _column("training_last", Date, "The last day of its training window"),
    _column("data_digest", Text, "Digest of the training data"),
    _column("fingerprint", Text, "Digest of the artifact"),
    _column("card", JSON, "The model card: parameters, method, data, limits"),
    _column("run_id", Text, "The run that trained it"),
    _column("recorded_at", MOMENT, "When this line was written", now=True),
    Index("models_trained_as_of", "name", "trained_as_of"),
)

model_metrics = _ledger(
    "model_metrics",
    "The metrics of each trained model",
    _key("name", Text, "The model"),
    _key("version", Text, "Its version"),
    _key("metric", Text, "The metric"),
    _column("value", Double, "Its value"),
)

publications = _ledger(
    "publications",
    "Each published table of each day; a day is complete when the tables of its core are here",
    _key("as_of", Date, "The day"),
    _key("table_name", Text, "The table in schema crm"),
    _column("rows", BigInteger, "Rows of the day", required=True),
    _column("digest", Text, "sha256 of the day's content (docs/warehouse.md)", required=True),
    _column("run_id", Text, "The run that published it"),
    _column("models", JSON, "The version of each model used"),
    _column("fingerprint", Text, "Digest of everything the day was computed from"),
    _column("made_by", JSON, "The same in parts: data, models, settings, actions, code (ddcrm/pipeline/basis.py)"),
    _column("published_at", MOMENT, "When it became visible", now=True),
    _column("restatement_id", Text, "The restatement that put it here, if one did"),
)

restatements = _ledger(
    "restatements",
    "Each restatement: what was planned, who asked for it and why, how far it is",
    _key("id", Text, "The restatement: r1, r2, ..."),
    _column("plan_id", Text, "sha256 of the plan", required=True),
    _column("plan", JSON, "What is to be restated", required=True),
    _column("from_versions", JSON, "The versions that the days were made by"),
    _column("to_versions", JSON, "The versions that they are made by now"),
    _column("state", Text, "planned, approved, staging, compared, swapped, undone or dropped", required=True),
    _column("who", Text, "Who planned it", required=True),
    _column("why", Text, "Why", required=True),
    _column("comparison", JSON, "The restated days beside the published ones (docs/warehouse.md)"),
    CheckConstraint(
        "state IN ('planned', 'approved', 'staging', 'compared', 'swapped', 'undone', 'dropped')",
        name="restatements_state",
    ),
    Index("restatements_plan", "plan_id"),
)

restatement_events = _ledger(
    "restatement_events",
    "What happened to each restatement: who, when, why",
    Column("id", BigInteger, Identity(always=True), primary_key=True, comment="Running number"),
    _column("restatement_id", Text, "The restatement", required=True),
    _column("event", Text, "The state it came to; approved (again), expired", required=True),
    _column("who", Text, "Who did it", required=True),
    _column("why", Text, "Why"),
    _column("facts", JSON, "Counts and references"),
    _column("recorded_at", MOMENT, "When", now=True),
    Index("restatement_events_restatement", "restatement_id"),
)

restatement_tables = _ledger(
    "restatement_tables",
    "Each restated table of each day: where it stands, and what it replaced",
    _key("restatement_id", Text, "The restatement"),
    _key("as_of", Date, "The day"),
    _key("table_name", Text, "The table in schema crm"),
    _column("staged", Text, "Its name in crm_staging until it is swapped in", required=True),
    _column("rows", BigInteger, "Rows of the day", required=True),
    _column("digest", Text, "sha256 of the day's content", required=True),
    _column("run_id", Text, "The run that computed it"),
    _column("models", JSON, "The version of each model used"),
    _column("fingerprint", Text, "Digest of everything the day was computed from"),
    _column("made_by", JSON, "The same in parts"),
    _column("checks", JSON, "What its checks said"),
    _column("staged_at", MOMENT, "When it stood", now=True),
    _column("archived", Text, "Name in crm_archive of the table that it replaced, as long as that is kept"),
    _column("before", JSON, "The line of ops.publications that it replaced"),
    _column("before_checks", JSON, "The lines of ops.validations that its checks replaced"),
)

restatement_batches = _ledger(
    "restatement_batches",
    "Each restated batch: its counts and reasons before and after",
    _key("restatement_id", Text, "The restatement"),
    _key("source", Text, "The source"),
    _key("batch_date", Date, "The day the batch belongs to"),
    _column("before", JSON, "Its line of ops.batches and its reasons, if it was known"),
    _column("after", JSON, "The same, restated", required=True),
)

CORE = (customer_scores, customer_segments, segment_profiles, segment_migration)  # a day with all of them is complete
PUBLISHED = (*CORE, cohort_retention, revenue_tree, value_by_period)  # one family: swapped together


def published_names() -> tuple[str, ...]:
    """The names of the published tables."""
    return tuple(table.name for table in PUBLISHED)


def key_of(table: Table) -> list[str]:
    """The names of the primary key's columns, in their order."""
    return [column.name for column in table.primary_key.columns]


def arrow_schema(table: Table) -> pa.Schema:
    """The Arrow schema of a published table: its columns in order, required ones not nullable."""
    import pyarrow as pa

    return pa.schema([pa.field(column.name, _arrow_type(column.type), column.nullable) for column in table.columns])


def _arrow_type(kind: TypeEngine[Any]) -> pa.DataType:
    import pyarrow as pa

    if isinstance(kind, Numeric) and kind.asdecimal:
        return pa.decimal128(kind.precision, kind.scale)
    plain = {
        Date: pa.date32,
        Text: pa.string,
        Integer: pa.int32,
        SmallInteger: pa.int16,
        BigInteger: pa.int64,
        Double: pa.float64,
    }
    return plain[type(kind)]()
