"""The cells of the report's tables."""

from collections.abc import Iterator, Sequence
from typing import Final

from scripts.benchmark import percentiles
from scripts.benchmark.runs import Run

PARTS: Final = {
    "api": "api",
    "postgres": "postgres",
    "valkey": "valkey",
    "dispatcher": "dispatcher",
    "worker1": "worker",
    "asyncio1": "asyncio worker",
    "webhooks": "webhooks",
    "http": "http requests",
}
"""The processes by the names of figures, and what people call them."""


def head(*cells: str) -> Iterator[str]:
    """Return the head of a table."""
    yield row(*cells)
    yield row(*["---"] * len(cells))


def row(*cells: str) -> str:
    """Return a line of a table."""
    return f"| {' | '.join(cells)} |"


def cell(run: Run, app: str, name: str, factor: float = 1) -> str:
    """Return a figure's median, and where there were several rounds, its range."""
    return spread([figure * factor for figure in run.figures(app, name)])


def cells(run: Run, app: str, *figures: str) -> list[str]:
    """Return several figures of an app."""
    return [cell(run, app, name) for name in figures]


def spread(figures: Sequence[float]) -> str:
    """Return the median and, of several, the range; a dash for none."""
    if not figures:
        return "-"
    text = number(percentiles.median(figures))
    return text if len(figures) == 1 else f"{text} [{number(min(figures))}-{number(max(figures))}]"


def by_part(run: Run, app: str, name: str, factor: float = 1) -> str:
    """Return the medians of a figure by process."""
    parts = {label: run.figures(app, f"{name}.{part}") for part, label in PARTS.items()}
    seen = {label: percentiles.median(figures) * factor for label, figures in parts.items() if figures}
    return ", ".join(f"{label} {number(figure)}" for label, figure in seen.items()) or "-"


def number(figure: float) -> str:
    """Return three digits: they say all that a noisy machine can."""
    for digits, bound in ((0, 100), (1, 10), (2, 0.995)):
        if abs(figure) >= bound:
            return f"{figure:,.{digits}f}"
    return f"{figure:.3f}".rstrip("0").rstrip(".") or "0"
