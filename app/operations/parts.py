"""The parts of the API process that the calls about operations use."""

from dataclasses import dataclass

from app.audit.parts import AuditParts
from app.quotas.parts import QuotaParts


@dataclass(frozen=True, kw_only=True)
class OperationParts(QuotaParts, AuditParts):
    """The parts that the handlers of the calls about operations use."""
