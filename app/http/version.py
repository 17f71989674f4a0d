"""The version of the API, which every answer carries as ``API-Version``."""

from typing import Final

API_VERSION: Final = "1"
"""It changes when a client has to change."""
