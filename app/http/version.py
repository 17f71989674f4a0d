"""The version of the API. Every answer has it in the header API-Version."""

from typing import Final

API_VERSION: Final = "1"
"""It changes when clients must change."""
