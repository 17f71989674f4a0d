"""The parts of the API process that know rates and quotas."""

from dataclasses import dataclass

from app.accounts.parts import AccountParts
from app.db import Database
from app.identity.parts import IdentityParts
from app.quotas.rate import Rates


@dataclass(frozen=True, kw_only=True)
class QuotaParts(IdentityParts):
    """The parts that routes with a rate use."""

    rates: Rates
    reader: Database
    """Logs in as tq_api, and reads one tenant's rows."""


@dataclass(frozen=True, kw_only=True)
class MeParts(QuotaParts, AccountParts):
    """The parts of the call that tells a caller who it is."""
