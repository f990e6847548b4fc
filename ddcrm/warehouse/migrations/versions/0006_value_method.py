"""customer_scores says which method speaks: the champion of the back-test, in place of two models' versions."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

ALIVE = ("Probability that the customer still buys (BG/NBD)", "Probability that the customer still buys (by alive_model)")
NAMES = ("The model: bgnbd, gamma_gamma, kmeans", "The model: bgnbd, gamma_gamma, value (the champion), kmeans and others")
OLD = {
    "bgnbd_version": "Version of the BG/NBD model (ops.models)",
    "gamma_gamma_version": "Version of the Gamma-Gamma model (ops.models)",
}
NEW = {
    "value_method": "The method that speaks of value: the champion of the back-test",
    "orders_method": "The method behind the expected orders",
    "alive_model": "The model behind p_alive",
    "value_version": "Version of the champion (ops.models, name value), whose card names all else",
}


def upgrade() -> None:
    _replace(OLD, NEW)
    _comments(1)


def downgrade() -> None:
    _replace(NEW, OLD)
    _comments(0)


def _replace(old: dict[str, str], new: dict[str, str]) -> None:
    op.execute("DROP VIEW crm.current_customer_scores")
    for name in old:
        op.drop_column("customer_scores", name, schema="crm")
    for name, comment in new.items():
        op.add_column("customer_scores", sa.Column(name, sa.Text, comment=comment), schema="crm")
    op.execute("""
        CREATE VIEW crm.current_customer_scores AS
        SELECT * FROM crm.customer_scores WHERE as_of = (SELECT max(as_of) FROM ops.complete_days)""")
    op.execute("COMMENT ON VIEW crm.current_customer_scores IS 'crm.customer_scores of the newest complete day'")


def _comments(which: int) -> None:
    op.execute(f"COMMENT ON COLUMN crm.customer_scores.p_alive IS '{ALIVE[which]}'")
    op.execute(f"COMMENT ON COLUMN ops.models.name IS '{NAMES[which]}'")
