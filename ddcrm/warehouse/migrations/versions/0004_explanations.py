"""Explanations: why somebody is in a segment, in words, and how often the words are right."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

COLUMNS = {
    "explanation": (sa.Text, "Why somebody is in it: at most three questions, learned from the customers of the day"),
    "fidelity": (sa.Double, "Share of all customers of whom these words and the scheme say the same, 0 to 1"),
    "explained_share": (sa.Double, "The same share among the customers of this segment, 0 to 1"),
}


def upgrade() -> None:
    for name, (kind, comment) in COLUMNS.items():
        op.add_column("segment_profiles", sa.Column(name, kind, comment=comment), schema="crm")
    _show_again("segment_profiles")


def downgrade() -> None:
    op.execute("DROP VIEW crm.current_segment_profiles")
    for name in COLUMNS:
        op.drop_column("segment_profiles", name, schema="crm")
    _show_again("segment_profiles")


def _show_again(table: str) -> None:
    """The view of the newest complete day, with the columns that the table has now."""
    op.execute(f"""
        CREATE OR REPLACE VIEW crm.current_{table} AS
        SELECT * FROM crm.{table} WHERE as_of = (SELECT max(as_of) FROM ops.complete_days)""")
    op.execute(f"COMMENT ON VIEW crm.current_{table} IS 'crm.{table} of the newest complete day'")
