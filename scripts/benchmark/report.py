"""The report of a run, as markdown."""

from collections.abc import Iterator, Sequence

from scripts.benchmark import names, percentiles, report_scenarios
from scripts.benchmark.runs import Run
from scripts.benchmark.tables import by_part, cell, cells, head, number, row
from scripts.benchmark.targets import verdicts


def write(run: Run) -> str:
    """Return the whole report: what was measured has its section."""
    core = (_submits, _batches, _end_to_end, _latency, _idle, _ratios) if run.has(names.OURS) else ()
    sections = (_machine, _promises, *core, *report_scenarios.SECTIONS, _targets)
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
    yield from head("connections", "app", "CPU ms per 1,000", "of it, by process", "requests/s", "p50 ms", "p99 ms")
    for connections in run.plan.connections:
        name = f"submit.{connections}"
        for app in (*run.queues, names.EMPTY):
            if run.figures(app, f"{name}.rate"):
                yield row(
                    str(connections),
                    app,
                    cell(run, app, f"{name}.cpu", 1000),
                    by_part(run, app, f"{name}.cpu", 1000),
                    *cells(run, app, f"{name}.rate", f"{name}.p50", f"{name}.p99"),
                )


def _batches(run: Run) -> Iterator[str]:
    size, connections = run.plan.batch_tasks, run.plan.batch_connections
    yield f"\n## Batches of {size} tasks, {connections} connections (no worker running; who is not here has none)"
    yield from head("app", "CPU ms per 1,000 tasks", "of it, by process", "tasks/s", "p50 ms a batch", "p99 ms")
    for app in run.queues:
        if app == names.OURS or run.figures(app, "batch.rate"):
            yield row(
                app,
                cell(run, app, "batch.cpu", 1000),
                by_part(run, app, "batch.cpu", 1000),
                *cells(run, app, "batch.rate", "batch.p50", "batch.p99"),
            )


def _end_to_end(run: Run) -> Iterator[str]:
    tasks, connections = run.plan.end_to_end_tasks, run.plan.end_to_end_connections
    yield f"\n## End to end: {tasks:,} tasks, {connections} connections, all results read"
    yield from head("app", "CPU s per 1,000", "of it, by process", "tasks/s", "submitted after s", "all read after s")
    for app in run.queues:
        yield row(
            app,
            cell(run, app, "e2e.cpu"),
            by_part(run, app, "e2e.cpu"),
            *cells(run, app, "e2e.rate", "e2e.submit_seconds", "e2e.seconds"),
        )


def _latency(run: Run) -> Iterator[str]:
    yield f"\n## Idle latency, submit to result: {run.plan.latency_tasks} tasks one by one"
    yield from head("app", "the client", "CPU ms per task", "p50 ms", "p99 ms")
    for app in run.queues:
        client = "`?wait=`" if app in {names.OURS, names.OURS_ASYNCIO} else "asks every 1 ms"
        yield row(app, client, *cells(run, app, "latency.cpu", "latency.p50", "latency.p99"))


def _idle(run: Run) -> Iterator[str]:
    yield f"\n## Idle: {run.plan.idle_seconds:.0f} s, after the latency tasks"
    yield from head(
        "app", "% of one core", "of it, by process", "PSS MB", "of it, by process", "PSS MB after all tasks"
    )
    for app in run.queues:
        yield row(
            app,
            cell(run, app, "idle"),
            by_part(run, app, "idle"),
            cell(run, app, "memory.idle"),
            by_part(run, app, "memory.idle"),
            cell(run, app, "memory.after"),
        )


def _ratios(run: Run) -> Iterator[str]:
    yield "\n## Ratios of the medians [lowest-highest of a round]"
    others = [app for app in (names.NAIVE, *run.plan.peers, names.EMPTY) if run.has(app)]
    yield from head("figure", *(f"ours / {app}" for app in others), "cores used by others")
    figures = [f"submit.{connections}.{figure}" for connections in run.plan.connections for figure in ("cpu", "rate")]
    for name in [*figures, "e2e.cpu", "e2e.rate", "latency.p50", "idle", "memory.idle"]:
        yield _ratio_row(run, names.OURS, name, others, name)
    if run.has(names.OURS_ASYNCIO):
        for name in ("e2e.cpu", "e2e.rate", "latency.p50"):
            yield _ratio_row(run, names.OURS_ASYNCIO, name, others, f"{name}, asyncio pool")


def _ratio_row(run: Run, ours: str, name: str, others: Sequence[str], label: str) -> str:
    return row(label, *(_ratio(run, ours, name, app) for app in others), _others(run, name.rpartition(".")[0]))


def _ratio(run: Run, ours: str, name: str, other: str) -> str:
    mine, theirs = run.figures(ours, name), run.figures(other, name)
    if not theirs or 0 in theirs:
        return "-"
    ratio, lowest, highest = percentiles.ratios(mine, theirs)
    return number(ratio) if len(mine) == 1 else f"{number(ratio)} [{number(lowest)}-{number(highest)}]"


def _others(run: Run, phase: str) -> str:
    apps = (*run.queues, names.EMPTY)
    seen: Sequence[float] = [figure for app in apps for figure in run.figures(app, f"{phase}.other")]
    return f"{min(seen):.2f}-{max(seen):.2f}" if seen else "-"


def _targets(run: Run) -> Iterator[str]:
    found = list(verdicts(run))
    if found:
        yield "\n## Targets"
        yield from head("target", "at least", "stretch", "seen", "")
        yield from (row(each.what, each.floor, each.stretch, each.seen, each.word) for each in found)
