"""The parts of the API process that read events."""

from dataclasses import dataclass

from app.events.reader import LogReader
from app.events.streams import OpenStreams
from app.events.tail import Tails
from app.quotas.parts import QuotaParts


@dataclass(frozen=True, kw_only=True)
class EventParts(QuotaParts):
    """The parts that calls about events use."""

    log_reader: LogReader
    tails: Tails
    streams: OpenStreams
