"""Segments: loyalty with its parts beside the scores of each customer."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

LOYALTY = {
    "loyalty_score": (sa.Double, "Loyalty, 0 to 99: the mean of its parts that are known; NULL without the scheme"),
    "loyalty_often": (sa.SmallInteger, "Per cent of customers who bought on fewer days of the window"),
    "loyalty_much": (sa.SmallInteger, "Per cent of customers who spent less in the window"),
    "loyalty_kinds": (sa.SmallInteger, "Per cent of customers who bought fewer different products"),
    "loyalty_regular": (sa.SmallInteger, "Per cent of customers who bought less regularly"),
}


def upgrade() -> None:
    for name, (kind, comment) in LOYALTY.items():
        op.add_column("customer_scores", sa.Column(name, kind, comment=comment), schema="crm")
    _show_again("customer_scores")
    _tell_scheme("The way of segmenting (docs/models.md)")


def downgrade() -> None:
    _tell_scheme("The way of segmenting: rfm, kmeans, value_tier")
    op.execute("DROP VIEW crm.current_customer_scores")
    for name in LOYALTY:
        op.drop_column("customer_scores", name, schema="crm")
    _show_again("customer_scores")


def _tell_scheme(comment: str) -> None:
    op.alter_column("customer_segments", "scheme", existing_type=sa.Text, existing_nullable=False, comment=comment, schema="crm")


def _show_again(table: str) -> None:
    """The view of the newest complete day, with the columns that the table has now."""
    op.execute(f"""
        CREATE OR REPLACE VIEW crm.current_{table} AS
        SELECT * FROM crm.{table} WHERE as_of = (SELECT max(as_of) FROM ops.complete_days)""")
    op.execute(f"COMMENT ON VIEW crm.current_{table} IS 'crm.{table} of the newest complete day'")
