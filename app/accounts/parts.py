"""The parts of the API process that issue credentials."""

from dataclasses import dataclass

from app.accounts.tokens import Tokens
from app.audit.parts import AuditParts


@dataclass(frozen=True, kw_only=True)
class AccountParts(AuditParts):
    """The parts that routes about keys, members and tokens use."""

    tokens: Tokens
