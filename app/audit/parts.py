"""The parts of the API process that the audit log uses."""

from dataclasses import dataclass

from app.db import Database
from app.identity.parts import IdentityParts


@dataclass(frozen=True, kw_only=True)
class AuditParts(IdentityParts):
    """The parts that routes about keys, members and their changes use."""

    accounts: Database
    """Logs in as tq_account."""
