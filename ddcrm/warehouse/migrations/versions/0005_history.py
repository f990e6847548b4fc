"""The tables about the whole business: cohort_retention, revenue_tree, value_by_period, each with its current view."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

MONEY = sa.Numeric(18, 2)
TABLES = ("cohort_retention", "revenue_tree", "value_by_period")


def upgrade() -> None:
    _cohort_retention()
    _revenue_tree()
    _value_by_period()
    comment = "Each published table of each day; a day is complete when the tables of its core are here"
    op.create_table_comment("publications", comment, schema="ops")
    for table in TABLES:
        op.execute(f"""
            CREATE VIEW crm.current_{table} AS
            SELECT * FROM crm.{table} WHERE as_of = (SELECT max(as_of) FROM ops.complete_days)""")
        op.execute(f"COMMENT ON VIEW crm.current_{table} IS 'crm.{table} of the newest complete day'")


def downgrade() -> None:
    for table in TABLES:
        op.execute(f"DROP VIEW crm.current_{table}")
        op.drop_table(table, schema="crm")  # its partitions go with it
    names = ", ".join(f"'{table}'" for table in TABLES)
    op.execute(f"DELETE FROM ops.publications WHERE table_name IN ({names})")
    comment = "Each published table of each day; a day is complete when all its tables are here"
    op.create_table_comment("publications", comment, schema="ops")


def _cohort_retention() -> None:
    op.create_table(
        "cohort_retention",
        sa.Column("as_of", sa.Date, nullable=False, comment="The day at whose end this was known"),
        sa.Column("cohort", sa.Date, nullable=False, comment="First day of the month of the first purchase"),
        sa.Column("months_since", sa.Integer, nullable=False, comment="Calendar months since then; the last one ends at as_of"),
        sa.Column("customers", sa.Integer, nullable=False, comment="Customers of the cohort"),
        sa.Column("active", sa.Integer, nullable=False, comment="Those of them who bought in that month"),
        sa.Column("retention", sa.Double, nullable=False, comment="active by customers, 0 to 1"),
        sa.Column("revenue", MONEY, nullable=False, comment="Net spend of the cohort's customers in that month"),
        sa.PrimaryKeyConstraint("as_of", "cohort", "months_since"),
        schema="crm",
        comment="Of the customers of each month of first purchase, who bought in each month since",
        postgresql_partition_by="LIST (as_of)",
    )


def _revenue_tree() -> None:
    op.create_table(
        "revenue_tree",
        sa.Column("as_of", sa.Date, nullable=False, comment="The last day of the later period"),
        sa.Column("period_days", sa.Integer, nullable=False, comment="Days of each of the two periods"),
        sa.Column("split", sa.Text, nullable=False, comment="total; class (of customer); factor; kept_factor (of the customers who bought in both)"),
        sa.Column("node", sa.Text, nullable=False, comment="The part: total, new, lost, ..., customers, orders_per_customer, spend_per_order"),
        sa.Column("customers_before", sa.BigInteger, comment="Customers who bought in the earlier period"),
        sa.Column("customers_after", sa.BigInteger, comment="Customers who bought in the later period"),
        sa.Column("orders_before", sa.BigInteger, comment="Their orders in the earlier period"),
        sa.Column("orders_after", sa.BigInteger, comment="Their orders in the later period"),
        sa.Column("revenue_before", MONEY, comment="Net spend in the earlier period"),
        sa.Column("revenue_after", MONEY, comment="Net spend in the later period"),
        sa.Column("factor_before", sa.Double, comment="The factor's value in the earlier period"),
        sa.Column("factor_after", sa.Double, comment="The factor's value in the later period"),
        sa.Column("change", MONEY, nullable=False, comment="What this part adds to the change of revenue"),
        sa.PrimaryKeyConstraint("as_of", "period_days", "split", "node"),
        schema="crm",
        comment="What moved revenue between the last period_days days and as many before; each split sums to the change",
        postgresql_partition_by="LIST (as_of)",
    )


def _value_by_period() -> None:
    op.create_table(
        "value_by_period",
        sa.Column("as_of", sa.Date, nullable=False, comment="The day at whose end this was known"),
        sa.Column("period", sa.Date, nullable=False, comment="First day of the month"),
        sa.Column("until_day", sa.Date, nullable=False, comment="Last day of the month, or as_of"),
        sa.Column("customers", sa.Integer, nullable=False, comment="Customers who bought in the month"),
        sa.Column("revenue", MONEY, nullable=False, comment="Net spend of all customers"),
        sa.Column("cost", MONEY, comment="What it cost; NULL where a line has no cost and no margin is set"),
        sa.Column("profit", MONEY, comment="revenue less cost: profit-centred value"),
        sa.Column("cumulative_profit", MONEY, comment="Profit up to this month"),
        sa.Column("market_share", sa.Numeric(9, 6), comment="Share of the market, 0 to 1; NULL where it is not known"),
        sa.Column("market_value", MONEY, comment="profit x market_share: market-centred value"),
        sa.Column("cumulative_market_value", MONEY, comment="The same up to this month"),
        sa.PrimaryKeyConstraint("as_of", "period"),
        schema="crm",
        comment="Customer value in the accountant's sense: profit by calendar month, and weighted by the share of the market",
        postgresql_partition_by="LIST (as_of)",
    )
