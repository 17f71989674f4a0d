"""The filter of the task list in the URL: read it, and write the links of the page (pure)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import urlencode

from app.tasks.read.task_filter import TaskFilter
from app.tasks.status import FINAL, Status

WITHIN: Final = {"15m": 15, "1h": 60, "24h": 1_440, "7d": 10_080, "30d": 43_200}
"""Ages of a task by their names in the URL, in minutes."""
_MAX_TEXT: Final = 600


@dataclass(frozen=True, slots=True)
class Filters:
    """The filters of the list, as the URL says them. An empty text is no condition."""

    status: tuple[str, ...] = ()
    task: str = ""
    tag: str = ""
    metadata: str = ""
    within: str = ""
    sort: str = ""
    """``oldest``; empty for newest first."""

    def query(self, **changes: Any) -> str:
        """Return the query string of these filters with changes, or nothing."""
        changed = replace(self, **changes)
        named = [(field.name, getattr(changed, field.name)) for field in fields(changed)]
        pairs = [(name, ",".join(value) if isinstance(value, tuple) else value) for name, value in named if value]
        return f"?{urlencode(pairs, safe=',:')}" if pairs else ""

    @property
    def is_any(self) -> bool:
        """Return whether every task matches."""
        return replace(self, sort="") == Filters()

    def toggled(self, status: str) -> str:
        """Return the query string after a click on a status."""
        chosen = tuple(each for each in self.status if each != status)
        return self.query(status=chosen if status in self.status else (*self.status, status))

    def wanted(self, now: datetime) -> TaskFilter:
        """Return the filter for the list."""
        key, _, value = self.metadata.partition(":")
        return TaskFilter(
            statuses=[Status(each) for each in self.status] or None,
            task=self.task or None,
            tag=self.tag or None,
            created_from=self._since(now),
            metadata={key: value} if key and value else None,
        )

    def _since(self, now: datetime) -> datetime | None:
        return now - timedelta(minutes=WITHIN[self.within]) if self.within else None

    def selection(self, action: str, now: datetime) -> dict[str, Any] | None:
        """Return the filter of an operation that acts on what the list shows; None if that is not possible.

        An operation chooses by status, type, tag and time. A list by metadata has no operation.
        """
        possible = {status for status in Status if (status in FINAL) == (action == "retry")}
        statuses = [status for status in self.status if status in possible]
        if self.metadata or (self.status and not statuses):
            return None
        since = self._since(now)
        named = {
            "statuses": statuses or sorted(possible),
            "task": self.task,
            "tag": self.tag,
            "created_from": since and since.astimezone(UTC).isoformat(),
        }
        return {name: value for name, value in named.items() if value}


def read(query: Mapping[str, str]) -> Filters:
    """Return the filters of a URL. A value that makes no sense is ignored, so that an old bookmark still opens."""
    texts = {name: query.get(name, "").strip()[:_MAX_TEXT] for name in ("task", "tag", "metadata")}
    metadata = texts.pop("metadata")
    within, sort = query.get("within", ""), query.get("sort", "")
    return Filters(
        status=tuple(_known(query.get("status", "").split(","))),
        metadata=metadata if 0 < metadata.find(":") < len(metadata) - 1 else "",
        within=within if within in WITHIN else "",
        sort="oldest" if sort == "oldest" else "",
        **texts,
    )


def _known(names: Iterable[str]) -> Iterable[str]:
    return dict.fromkeys(name for name in names if name in Status.__members__)
