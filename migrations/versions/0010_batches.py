"""What a batch was answered with, beside its Idempotency-Key."""

from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Add it. The policies, grants and pruning of the table hold for it too."""
    op.execute("ALTER TABLE idempotency_key ADD COLUMN answer text")


def downgrade() -> None:
    """Drop it, with the keys of batches: without the answer they would name one task."""
    op.execute("DELETE FROM idempotency_key WHERE answer IS NOT NULL")
    op.execute("ALTER TABLE idempotency_key DROP COLUMN answer")
