"""Decide which headers an endpoint may have of its own (pure)."""

from collections.abc import Mapping
from typing import Final

from app.outbound import header_names

MAX_HEADERS: Final = 20


def validation_error(headers: Mapping[str, str]) -> str | None:
    """Return why these headers cannot be sent, and what to do; None when they can. No value is repeated."""
    if len(headers) > MAX_HEADERS:
        return f"Send at most {MAX_HEADERS} headers."
    if len({name.lower() for name in headers}) < len(headers):
        return "Send each header once: upper and lower case make no difference."
    faults = (header_names.fault(name, value, allows_content_type=False) for name, value in headers.items())
    return next((fault for fault in faults if fault), None)
