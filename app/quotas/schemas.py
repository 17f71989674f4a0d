"""What the ledger is asked and answers."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

Period: TypeAlias = Literal["day", "month"]


@dataclass(frozen=True, slots=True)
class Demand:
    """How many more tasks a tenant wants, and its limits; -1 is none."""

    count: int
    per_day: int
    per_month: int


@dataclass(frozen=True, slots=True)
class Grant:
    """How many of them it gets, which period refuses the rest, and when that period ends (seconds)."""

    granted: int
    refused_by: Period | None
    ends_in_seconds: int
