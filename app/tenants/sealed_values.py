"""The columns whose values are sealed (``app.core.crypto``), and the place to which each value is bound."""

from typing import Final, NamedTuple
from uuid import UUID


class SealedColumn(NamedTuple):
    """A column of sealed values in a table whose rows are found by tenant and id."""

    table: str
    column: str

    def place(self, row_id: UUID) -> str:
        """Return the place of a value: it cannot be opened as the value of another row."""
        return f"{self.table}/{row_id}/{self.column}"


WEBHOOK_SECRET: Final = SealedColumn("webhook_secret", "sealed")
ENDPOINT_SECRET: Final = SealedColumn("endpoint_secret", "sealed")
ENDPOINT_HEADERS: Final = SealedColumn("endpoint", "sealed_headers")

ALL: Final = (WEBHOOK_SECRET, ENDPOINT_SECRET, ENDPOINT_HEADERS)
"""The columns that a rotation of the key-encryption key seals again."""
