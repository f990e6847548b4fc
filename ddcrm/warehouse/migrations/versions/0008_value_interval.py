"""customer_scores has the interval of the value beside its expectation."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

NEW = {
    "clv_365d_low": "Lower end of the 90 % interval of the spend that clv_365d expects",
    "clv_365d_high": "Its upper end",
}


def upgrade() -> None:
    for name, comment in NEW.items():
        op.add_column("customer_scores", sa.Column(name, sa.Numeric(18, 2), comment=comment), schema="crm")
    _show_again()


def downgrade() -> None:
    op.execute("DROP VIEW crm.current_customer_scores")
    for name in NEW:
        op.drop_column("customer_scores", name, schema="crm")
    _show_again()


def _show_again() -> None:
    op.execute("""
        CREATE OR REPLACE VIEW crm.current_customer_scores AS
        SELECT * FROM crm.customer_scores WHERE as_of = (SELECT max(as_of) FROM ops.complete_days)""")
    op.execute("COMMENT ON VIEW crm.current_customer_scores IS 'crm.customer_scores of the newest complete day'")
