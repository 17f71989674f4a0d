"""A task's payload and its result are stored as the text that came.

What is stored is what was sent, number for number, and about as large; who asks for it gets that text.
"""

from migrations import script

revision = "0027"
down_revision = "0023"


def upgrade() -> None:
    """Write both tables anew. The functions' bodies stay what earlier revisions made of them."""
    script.run("0027_json")


def downgrade() -> None:
    """Write them back."""
    script.run("0027_json_down")
