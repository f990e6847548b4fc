"""What batches and published days were made by, in parts: so that a plan can say what a change touches."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0003"
down_revision = "0002"

JSON = JSONB(none_as_null=True)


def upgrade() -> None:
    used = sa.Column("used_digest", sa.Text, comment="Digest of the columns of them that features can read")
    words = "What decided its rows: contract, suite, landed files, code (ddcrm/lake/made_by.py)"
    op.add_column("batches", used, schema="ops")
    op.add_column("batches", sa.Column("made_by", JSON, comment=words), schema="ops")
    words = "The same in parts: data, models, settings, actions, code (ddcrm/pipeline/basis.py)"
    op.add_column("publications", sa.Column("made_by", JSON, comment=words), schema="ops")


def downgrade() -> None:
    op.drop_column("publications", "made_by", schema="ops")
    op.drop_column("batches", "made_by", schema="ops")
    op.drop_column("batches", "used_digest", schema="ops")
