"""Show JSON as a tree that folds, with every number exactly as it is stored."""

import json
from typing import Any, Final

from markupsafe import Markup, escape

MAX_NODES: Final = 2_000
"""The most values that a page shows as a tree. A larger document is shown as text."""
_MAX_DEPTH: Final = 40
# Objects and lists at this depth and below begin folded.
_OPEN_DEPTH: Final = 3


class _Number(str):
    """A number as it was written: no floating-point number has every digit of a large one."""

    __slots__ = ()


def read(text: str) -> Any:
    """Return a JSON text as values, with numbers as texts of their own kind."""
    return json.loads(text, parse_int=_Number, parse_float=_Number, parse_constant=_Number)


def is_number(value: object) -> bool:
    """Return whether a value of ``read`` is a number, which is a text."""
    return isinstance(value, _Number)


def tree(text: str) -> Markup:
    """Return a JSON text as HTML: nested ``<details>``, or plain text if it is very large or deep."""
    try:
        value = read(text)
        if _count(value, 0) <= MAX_NODES:
            return Markup('<div class="json" tabindex="0">{}</div>').format(_render(value, 0))
    except (ValueError, RecursionError):
        pass
    return Markup('<pre class="json" tabindex="0">{}</pre>').format(text)


def _count(value: Any, depth: int) -> int:
    if depth > _MAX_DEPTH:
        return MAX_NODES + 1
    if isinstance(value, dict):
        return 1 + sum(_count(each, depth + 1) for each in value.values())
    if isinstance(value, list):
        return 1 + sum(_count(each, depth + 1) for each in value)
    return 1


def _render(value: Any, depth: int) -> Markup:
    if isinstance(value, dict) and value:
        rows = [
            (Markup('<span class="key">{}</span>: ').format(json.dumps(k, ensure_ascii=False)), v)
            for k, v in value.items()
        ]
        return _fold(rows, "{", "}", depth, f"{len(value)} key{'s'[: len(value) != 1]}")
    if isinstance(value, list) and value:
        rows = [(Markup(""), each) for each in value]
        return _fold(rows, "[", "]", depth, f"{len(value)} item{'s'[: len(value) != 1]}")
    return _leaf(value)


def _fold(rows: list[tuple[Markup, Any]], opening: str, closing: str, depth: int, says: str) -> Markup:
    inner = Markup("").join(Markup("<li>{}{}</li>").format(label, _render(value, depth + 1)) for label, value in rows)
    is_open = Markup(" open") if depth < _OPEN_DEPTH else Markup("")
    return Markup('<details{}><summary>{}<span class="folded"> {} {}</span></summary><ul>{}</ul>{}</details>').format(
        is_open, opening, says, closing, inner, closing
    )


def _leaf(value: Any) -> Markup:
    if isinstance(value, _Number):
        return Markup('<span class="number">{}</span>').format(str(value))
    if isinstance(value, str):
        return Markup('<span class="string">{}</span>').format(json.dumps(value, ensure_ascii=False))
    text = {None: "null", True: "true", False: "false"}.get(value) if not isinstance(value, dict | list) else None
    return Markup('<span class="word">{}</span>').format(escape(text or ("{}" if isinstance(value, dict) else "[]")))
