"""Members, revoked tokens and what else accounts need."""

from migrations import script

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the role ``tq_account`` first where it is missing: ``scripts/admin bootstrap``."""
    script.run("0004_accounts")


def downgrade() -> None:
    """Drop members and revocations; keys whose rotation is under way go on to their end."""
    script.run("0004_accounts_down")
