"""Draws the plots of the documentation from the figures of runs; ``scripts/bench --plots`` runs it in .venv-bench."""

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scripts.benchmark import names, peers, percentiles
from scripts.benchmark.plan import Plan
from scripts.benchmark.runs import Run
from scripts.benchmark.tables import PARTS, number
from scripts.stack import parts

FOLDER: Final = parts.ROOT / "docs" / "benchmarks"
# Text stays text, and the same figures make the same file.
_STYLE: Final = {"svg.fonttype": "none", "svg.hashsalt": "benchmarks", "font.family": "sans-serif", "font.size": 10}
_METADATA: Final = {"Date": None, "Creator": None}
_APPS: Final = (names.OURS, names.OURS_ASYNCIO, names.NAIVE, *peers.ALL, names.EMPTY)
# Of the palette of Okabe and Ito, which the colour-blind can tell apart.
_COLOURS: Final = ("#0072B2", "#E69F00", "#CC79A7", "#009E73", "#56B4E9", "#D55E00", "#999999")
_OTHERS: Final = "#B0B0B0"


def load(files: Sequence[Path]) -> Run:
    """Return the rounds of all files as one run."""
    rounds = [figures for file in files for figures in json.loads(file.read_text())["rounds"]]
    return Run(Plan(peers=tuple(peers.ALL)), rounds)


def draw(run: Run, folder: Path) -> list[Path]:
    """Draw what the run has figures for; return the files."""
    drawn = []
    for name, (plot, height) in _PLOTS.items():
        figure = Figure(figsize=(8, height), layout="constrained")
        with mpl.rc_context(_STYLE):
            if plot(run, figure.add_subplot()):
                drawn.append(folder / f"{name}.svg")
                figure.savefig(drawn[-1], metadata=_METADATA)
    return drawn


def _submit(run: Run, axes: Axes) -> bool:
    return _bars(run, axes, "submit.64.cpu", 1000, "Submit, 64 connections: CPU ms per 1,000 (less is better)")


def _end_to_end(run: Run, axes: Axes) -> bool:
    return _bars(run, axes, "e2e.cpu", 1, "End to end, no-op tasks: CPU s per 1,000 (less is better)")


def _bars(run: Run, axes: Axes, name: str, factor: float, title: str) -> bool:
    """Draw a bar for each app that has the figure, from the least to the most, with its range over the rounds."""
    seen = {app: [figure * factor for figure in run.figures(app, name)] for app in _APPS}
    medians = {app: percentiles.median(figures) for app, figures in seen.items() if figures}
    apps = sorted(medians, key=lambda app: -medians[app])
    values = [medians[app] for app in apps]
    ranges = [
        [medians[app] - min(seen[app]) for app in apps],
        [max(seen[app]) - medians[app] for app in apps],
    ]
    colours = [_COLOURS[0] if app in {names.OURS, names.OURS_ASYNCIO} else _OTHERS for app in apps]
    bars = axes.barh(apps, values, xerr=ranges, color=colours, error_kw={"ecolor": "#444444", "capsize": 3})
    axes.bar_label(bars, [number(value) for value in values], padding=6)
    _finish(axes, title)
    return bool(apps)


def _waits(run: Run, axes: Axes) -> bool:
    """Draw the light tenant's waits, alone and beside the line, by pool."""
    measured = [pool for pool in names.POOLS if run.figures(names.NOISY, f"{pool}.beside.p50")]
    rows = [(pool, name) for pool in measured for name in ("alone", "beside")]
    labels = [f"{pool}, {'alone' if name == 'alone' else 'beside the line'}" for pool, name in rows]
    for place, percentile in enumerate(("p50", "p95", "p99")):
        places = [row + (place - 1) * 0.26 for row in range(len(rows))]
        values = [percentiles.median(run.figures(names.NOISY, f"{pool}.{name}.{percentile}")) for pool, name in rows]
        bars = axes.barh(places, values, 0.24, label=percentile, color=_COLOURS[place])
        axes.bar_label(bars, [number(value) for value in values], padding=3)
    axes.set_yticks(range(len(rows)), labels)
    axes.invert_yaxis()
    if rows:
        axes.legend(frameon=False)
    _finish(axes, "A light tenant's wait from submit to start, ms")
    return bool(rows)


def _memory(run: Run, axes: Axes) -> bool:
    """Draw the memory of each idle app, and of ours around the soak, by process."""
    bars = {app: (app, "memory.idle") for app in _APPS} | {
        f"soak, {when}": (names.SOAK, f"{when}.memory.idle") for when in ("before", "after")
    }
    bars = {label: (app, name) for label, (app, name) in bars.items() if run.figures(app, name)}
    ends = dict.fromkeys(bars, 0.0)
    for (part, label), colour in zip(PARTS.items(), _COLOURS, strict=True):
        seen = {bar: run.figures(app, f"{name}.{part}") or [0.0] for bar, (app, name) in bars.items()}
        widths = {bar: percentiles.median(figures) for bar, figures in seen.items()}
        if any(widths.values()):
            axes.barh([*bars], [*widths.values()], left=[*ends.values()], label=label, color=colour)
        ends = {bar: ends[bar] + widths[bar] for bar in bars}
    for place, end in enumerate(ends.values()):
        axes.text(end, place, f" {end:.0f}", va="center")
    axes.invert_yaxis()
    if bars:
        axes.legend(frameon=False, ncols=4, loc="upper center", bbox_to_anchor=(0.5, -0.08))
    _finish(axes, "Idle: memory (PSS), MB, by process")
    return bool(bars)


def _finish(axes: Axes, title: str) -> None:
    axes.set_title(title, loc="left", fontweight="bold")
    axes.margins(x=0.12)
    axes.set_xlim(left=0)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(left=False)
    axes.grid(axis="x", alpha=0.3)
    axes.set_axisbelow(True)


_PLOTS: Final[dict[str, tuple[Callable[[Run, Axes], bool], float]]] = {
    "submit-cpu": (_submit, 3.4),
    "end-to-end-cpu": (_end_to_end, 3.4),
    "light-tenant-waits": (_waits, 3.8),
    "memory": (_memory, 4.2),
}
"""Each plot by its file's name, with its height in inches."""


def main(arguments: Sequence[str]) -> int:
    """Draw from the files named."""
    FOLDER.mkdir(exist_ok=True)
    for file in draw(load([*map(Path, arguments)]), FOLDER):
        print(file.relative_to(parts.ROOT))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
