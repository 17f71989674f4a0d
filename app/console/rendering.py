"""Render the templates of the console."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse, Response

from app.console import json_view
from app.console.assets import ASSETS

FOLDER: Final = Path(__file__).with_name("templates")
"""The templates of the console, and the parts of theirs that the operator's pages use as well."""
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
_DASH: Final = "\N{EN DASH}"
_THIN_SPACE: Final = "\N{NARROW NO-BREAK SPACE}"
HEADERS: Final = {
    "Content-Security-Policy": _POLICY,
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    # A link of the console may be secret, and no other site needs to know where a person comes from.
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
"""The headers of every page. No script and no style outside of our own files runs, and no page shows in a frame."""


@cache
def _environment(folders: tuple[Path, ...]) -> Environment:
    made = Environment(
        loader=FileSystemLoader(folders),
        autoescape=True,
        # A misspelt name in a template must fail in a test, and not show as nothing.
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        # Templates do not change while a process runs.
        auto_reload=False,
    )
    made.globals |= {"asset": ASSETS.hashed, "now": lambda: datetime.now(UTC)}
    made.filters |= {
        "count": count,
        "moment": moment,
        "duration": duration,
        "seconds_between": seconds_between,
        "json_tree": json_view.tree,
        "percent": percent,
        "short": short,
        "host": host,
    }
    return made


def page(
    template: str, values: Mapping[str, Any], status: int = 200, *, folders: tuple[Path, ...] = (FOLDER,)
) -> Response:
    """Return a page as an answer, with the headers of every page. The template is in the first folder that has it."""
    text = _environment(folders).get_template(template).render(values)
    return HTMLResponse(text, status, headers=HEADERS)


def count(number: int | None) -> str:
    """Return a whole number with thin groups of three; a dash for None."""
    return _DASH if number is None else f"{number:,}".replace(",", _THIN_SPACE)


def moment(at: datetime | None) -> str:
    """Return a time as RFC 3339 in UTC, to the millisecond; nothing for None."""
    return "" if at is None else at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def seconds_between(start: datetime | None, end: datetime | None) -> float | None:
    """Return the seconds from one time to another; None if one of them is missing."""
    return None if start is None or end is None else (end - start).total_seconds()


def duration(seconds: float | None) -> str:
    """Return a duration as people read it: ``340 ms``, ``12.3 s``, ``4 min 05 s``, ``3 h 20 min``, ``2 d 3 h``."""
    if seconds is None:
        return _DASH
    if seconds < 1:
        return f"{max(0, round(seconds * 1000))} ms"
    if seconds < 60:  # noqa: PLR2004 units of time
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:  # noqa: PLR2004 units of time
        return f"{minutes} min {rest:02d} s"
    hours, minutes = divmod(minutes, 60)
    days, hours_of_day = divmod(hours, 24)
    return f"{days} d {hours_of_day} h" if days else f"{hours} h {minutes:02d} min"


def percent(part: float, whole: float | None) -> float:
    """Return a part of a whole in percent, from 0 to 100; 0 without a whole."""
    return round(min(100.0, max(0.0, 100 * part / whole)), 1) if whole else 0.0


def short(identifier: object) -> str:
    """Return the end of an id, which tells ids of the same time apart."""
    return str(identifier)[-8:]


def host(url: str) -> str:
    """Return the host of a return_url, with its port."""
    # Not by urlsplit, which raises an error for brackets without an address in them.
    return re.split(r"[/?#]", url.partition("://")[2], maxsplit=1)[0]
