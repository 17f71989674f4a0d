"""The parts of the API process that the calls about webhooks use."""

from dataclasses import dataclass

from app.audit.parts import AuditParts
from app.quotas.parts import QuotaParts


@dataclass(frozen=True, kw_only=True)
class WebhookParts(QuotaParts, AuditParts):
    """The parts that the handlers of the calls about webhooks use."""
