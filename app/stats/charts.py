"""Draw charts as SVG text.

They have classes and geometry alone and no style, so that a browser shows them under a strict content security policy.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby
from typing import Final

_WIDTH: Final = 100
_HEIGHT: Final = 20
# Of a column of bars: its width, the part of it that is drawn, and the height of the tallest bar.
_STEP: Final = 10
_BAR: Final = 8
_TALL: Final = 100
# The height of a mark, and of the space above the bars in which it stands.
_MARK: Final = 3
_ABOVE: Final = 5


@dataclass(frozen=True, slots=True)
class Column:
    """A column of ``stacked_bars``."""

    label: str
    """Name of the column, such as its time."""
    parts: Sequence[int]
    """The counts that are stacked, the first at the bottom. Each column has as many."""
    is_marked: bool = False
    """True if a mark stands above it, for example because a limit was reached."""


def sparkline(values: Sequence[float | None], *, label: str) -> str:
    """Return a small line chart. Where a value is None, the line has a gap; a value between two gaps is a dot.

    The classes are ``sparkline``, and ``chart-line`` or ``chart-dot`` in it.
    """
    # A chart in which all values are 0 must not divide by 0.
    top = max((value for value in values if value is not None), default=0) or 1
    step = _WIDTH / max(len(values) - 1, 1)
    points = [
        None if value is None else (place * step, _HEIGHT * (1 - value / top)) for place, value in enumerate(values)
    ]
    runs = (list(run) for is_there, run in groupby(points, lambda point: point is not None) if is_there)
    drawn = "".join(_run([point for point in run if point is not None]) for run in runs)
    # The stroke would be cut off at the edges without the margin.
    return _svg("sparkline", label, f"-1 -1 {_WIDTH + 2} {_HEIGHT + 2}", drawn)


def _run(points: Sequence[tuple[float, float]]) -> str:
    if len(points) == 1:
        [(x, y)] = points
        return f'<circle class="chart-dot" cx="{x:.4g}" cy="{y:.4g}" r="1"/>'
    return f'<polyline class="chart-line" points="{" ".join(f"{x:.4g},{y:.4g}" for x, y in points)}"/>'


def stacked_bars(columns: Sequence[Column], names: Sequence[str], *, label: str, mark: str = "") -> str:
    """Return a chart of stacked bars. ``names`` are those of the parts, ``mark`` is what a mark means.

    The classes are ``bars``; in it ``chart-column`` (a group with a title that browsers show on hover), ``chart-part``
    with ``chart-part-1`` and so on, and ``chart-mark``. Parts of 0 are not drawn.
    """
    top = max((sum(column.parts) for column in columns), default=0) or 1
    drawn = "".join(_column(place, column, names, top, mark) for place, column in enumerate(columns))
    size = f"0 -{_ABOVE} {max(len(columns), 1) * _STEP} {_TALL + _ABOVE}"
    return _svg("bars", label, size, drawn)


def _column(place: int, column: Column, names: Sequence[str], top: int, mark: str) -> str:
    told = ", ".join(f"{name} {count}" for name, count in zip(names, column.parts, strict=True))
    told = f"{column.label}: {told}" + (f". {mark}" if column.is_marked and mark else "")
    shapes = "".join(_parts(place, column.parts, top))
    if column.is_marked:
        shapes += _rectangle("chart-mark", place, -_ABOVE, _MARK)
    return f'<g class="chart-column"><title>{escape(told)}</title>{shapes}</g>'


def _parts(place: int, parts: Sequence[int], top: int) -> Iterator[str]:
    below = 0
    for number, count in enumerate(parts, 1):
        below += count
        if count:
            height = _TALL * count / top
            yield _rectangle(f"chart-part chart-part-{number}", place, _TALL * (1 - below / top), height)


def _rectangle(classes: str, place: int, y: float, height: float) -> str:
    return f'<rect class="{classes}" x="{place * _STEP + 1}" y="{y:.4g}" width="{_BAR}" height="{height:.4g}"/>'


def _svg(kind: str, label: str, view_box: str, drawn: str) -> str:
    named = escape(label)
    # A screen reader reads the label; a browser shows the title of the whole where no column has its own.
    return (
        f'<svg class="chart {kind}" viewBox="{view_box}" preserveAspectRatio="none" role="img" aria-label="{named}">'
        f"<title>{named}</title>{drawn}</svg>"
    )
