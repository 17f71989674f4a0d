"""The report of a run, as markdown."""

from collections.abc import Iterator, Sequence

from scripts.benchmark import percentiles
from scripts.benchmark.rounds import EMPTY, OURS, Run
from scripts.benchmark.targets import verdicts

_PARTS = ("api", "postgres", "valkey", "dispatcher", "worker1", "webhooks")


def write(run: Run) -> str:
    """Return the whole report."""
    sections = (_machine, _promises, _submits, _batches, _end_to_end, _latency, _idle, _ratios, _targets)
    return "\n".join(line for section in sections for line in section(run))


def _machine(run: Run) -> Iterator[str]:
    yield f"# Benchmark: {len(run.rounds)} rounds, interleaved; medians [lowest-highest round]\n"
    yield from (f"- {name}: {text}" for name, text in run.machine.items())


def _promises(run: Run) -> Iterator[str]:
    yield "\n## What was on, checked in every round"
    yield from (f"- {promise}" for promise in run.promises)
    yield "- every accepted submit was counted where it is kept; every result was read back with its own value"


def _submits(run: Run) -> Iterator[str]:
    yield "\n## Submit (no worker running)"
    yield from _head("connections", "app", "CPU ms per 1,000", "of it, by process", "requests/s", "p50 ms", "p99 ms")
    for connections in run.plan.connections:
        for app in (*run.queues, EMPTY):
            name = f"submit.{connections}"
            yield _row(
                str(connections),
                app,
                _cell(run, app, f"{name}.cpu", 1000),
                _by_part(run, app, f"{name}.cpu", 1000),
                _cell(run, app, f"{name}.rate"),
                _cell(run, app, f"{name}.p50"),
                _cell(run, app, f"{name}.p99"),
            )


def _batches(run: Run) -> Iterator[str]:
    size, connections = run.plan.batch_tasks, run.plan.batch_connections
    yield f"\n## Batches of {size} tasks, {connections} connections (no worker running; the others have none)"
    yield from _head("app", "CPU ms per 1,000 tasks", "of it, by process", "tasks/s", "p50 ms a batch", "p99 ms")
    yield _row(
        OURS,
        _cell(run, OURS, "batch.cpu", 1000),
        _by_part(run, OURS, "batch.cpu", 1000),
        _cell(run, OURS, "batch.rate"),
        _cell(run, OURS, "batch.p50"),
        _cell(run, OURS, "batch.p99"),
    )


def _end_to_end(run: Run) -> Iterator[str]:
    tasks, connections = run.plan.end_to_end_tasks, run.plan.end_to_end_connections
    yield f"\n## End to end: {tasks:,} tasks, {connections} connections, all results read"
    yield from _head("app", "CPU s per 1,000", "of it, by process", "tasks/s", "submitted after s", "all read after s")
    for app in run.queues:
        yield _row(
            app,
            _cell(run, app, "e2e.cpu"),
            _by_part(run, app, "e2e.cpu"),
            _cell(run, app, "e2e.rate"),
            _cell(run, app, "e2e.submit_seconds"),
            _cell(run, app, "e2e.seconds"),
        )


def _latency(run: Run) -> Iterator[str]:
    yield f"\n## Idle latency, submit to result: {run.plan.latency_tasks} tasks one by one"
    yield from _head("app", "the client", "CPU ms per task", "p50 ms", "p99 ms")
    for app in run.queues:
        client = "`?wait=`" if app == OURS else "asks every 1 ms"
        figures = [_cell(run, app, f"latency.{figure}") for figure in ("cpu", "p50", "p99")]
        yield _row(app, client, *figures)


def _idle(run: Run) -> Iterator[str]:
    yield f"\n## Idle: {run.plan.idle_seconds:.0f} s, after the latency tasks"
    yield from _head(
        "app", "% of one core", "of it, by process", "PSS MB", "of it, by process", "PSS MB after all tasks"
    )
    for app in run.queues:
        yield _row(
            app,
            _cell(run, app, "idle"),
            _by_part(run, app, "idle"),
            _cell(run, app, "memory.idle"),
            _by_part(run, app, "memory.idle"),
            _cell(run, app, "memory.after"),
        )


def _ratios(run: Run) -> Iterator[str]:
    yield "\n## Ratios of the medians [lowest-highest of a round]"
    others = [*run.queues[1:], EMPTY]
    yield from _head("figure", *(f"ours / {app}" for app in others), "cores used by others")
    names = [f"submit.{number}.{figure}" for number in run.plan.connections for figure in ("cpu", "rate")]
    for name in [*names, "e2e.cpu", "e2e.rate", "latency.p50", "idle", "memory.idle"]:
        yield _row(name, *(_ratio(run, name, app) for app in others), _others(run, name.rpartition(".")[0]))


def _targets(run: Run) -> Iterator[str]:
    yield "\n## Targets"
    yield from _head("target", "seen", "")
    yield from (_row(verdict.wanted, verdict.seen, verdict.word) for verdict in verdicts(run))


def _head(*names: str) -> Iterator[str]:
    yield _row(*names)
    yield _row(*["---"] * len(names))


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(run: Run, app: str, name: str, factor: float = 1) -> str:
    figures = [figure * factor for figure in run.figures(app, name)]
    if not figures:
        return "-"
    text = _number(percentiles.median(figures))
    return text if len(figures) == 1 else f"{text} [{_number(min(figures))}-{_number(max(figures))}]"


def _by_part(run: Run, app: str, name: str, factor: float = 1) -> str:
    parts = {part: run.figures(app, f"{name}.{part}") for part in _PARTS}
    seen = {part: percentiles.median(figures) * factor for part, figures in parts.items() if figures}
    return ", ".join(f"{part.rstrip('1')} {_number(figure)}" for part, figure in seen.items()) or "-"


def _ratio(run: Run, name: str, other: str) -> str:
    mine, theirs = run.figures(OURS, name), run.figures(other, name)
    if not theirs or 0 in theirs:
        return "-"
    ratio, lowest, highest = percentiles.ratios(mine, theirs)
    return _number(ratio) if len(mine) == 1 else f"{_number(ratio)} [{_number(lowest)}-{_number(highest)}]"


def _others(run: Run, phase: str) -> str:
    seen: Sequence[float] = [figure for app in (*run.queues, EMPTY) for figure in run.figures(app, f"{phase}.other")]
    return f"{min(seen):.2f}-{max(seen):.2f}" if seen else "-"


def _number(figure: float) -> str:
    # Three digits say all that a noisy machine can.
    for digits, bound in ((0, 100), (1, 10), (2, 0.995)):
        if abs(figure) >= bound:
            return f"{figure:,.{digits}f}"
    return f"{figure:.3f}".rstrip("0").rstrip(".") or "0"
