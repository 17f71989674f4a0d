"""The report's sections on ours under loads of many tenants; what was not measured has none."""

from collections import Counter
from collections.abc import Callable, Iterator
from functools import wraps
from typing import Final, TypeAlias

from scripts.benchmark import flood_kinds, names, targets
from scripts.benchmark.runs import Run
from scripts.benchmark.tables import PARTS, by_part, cell, cells, head, row

Section: TypeAlias = Callable[[Run], Iterator[str]]


def _of(scenario: str) -> Callable[[Section], Section]:
    """Leave a section out where its scenario was not measured."""

    def decorate(section: Section) -> Section:
        @wraps(section)
        def lines(run: Run) -> Iterator[str]:
            return section(run) if run.has(scenario) else iter(())

        return lines

    return decorate


@_of(names.TENANTS)
def _tenants(run: Run) -> Iterator[str]:
    plan = run.plan.tenants
    yield f"\n## {plan.tenants:,} tenants in turn"
    yield f"Tenants and keys were made in {cell(run, names.TENANTS, 'provision.seconds')} s.\n"
    yield from _tenants_end_to_end(run)
    yield f"\nAt an even {plan.rate} tasks/s for {plan.rate_seconds:.0f} s; the wait is from submit to start:\n"
    yield from head(
        "pool", "wait p50 ms", "p95", "p99", "submit answered p99 ms", "CPU ms per 1,000", "of it, by process"
    )
    for pool in run.plan.pools:
        waits = (f"{pool}.wait.{each}" for each in ("p50", "p95", "p99"))
        cpu = f"{pool}.even.cpu"
        yield row(
            pool,
            *cells(run, names.TENANTS, *waits, f"{pool}.even.p99"),
            cell(run, names.TENANTS, cpu, 1000),
            by_part(run, names.TENANTS, cpu, 1000),
        )
    yield from _tenants_submits(run)


def _tenants_end_to_end(run: Run) -> Iterator[str]:
    yield from head(
        "pool", "task of each tenant", "CPU s per 1,000", "of it, by process", "tasks/s", "all read after s"
    )
    for pool in run.plan.pools:
        for name, label in (("first", "its first"), ("e2e", "the next")):
            yield row(
                pool,
                label,
                cell(run, names.TENANTS, f"{pool}.{name}.cpu"),
                by_part(run, names.TENANTS, f"{pool}.{name}.cpu"),
                *cells(run, names.TENANTS, f"{pool}.{name}.rate", f"{pool}.{name}.seconds"),
            )


def _tenants_submits(run: Run) -> Iterator[str]:
    name = f"submit.{run.plan.tenants.submit_connections}"
    yield f"\nSubmits alone, {run.plan.tenants.submit_connections} connections, no worker running:\n"
    yield from head("CPU ms per 1,000", "of it, by process", "requests/s", "p50 ms", "p99 ms")
    yield row(
        cell(run, names.TENANTS, f"{name}.cpu", 1000),
        by_part(run, names.TENANTS, f"{name}.cpu", 1000),
        *cells(run, names.TENANTS, f"{name}.rate", f"{name}.p50", f"{name}.p99"),
    )


@_of(names.NOISY)
def _noisy(run: Run) -> Iterator[str]:
    plan = run.plan.noisy
    yield f"\n## Noisy neighbour: {plan.waiting:,} waiting tasks of {plan.milliseconds:g} ms"
    yield f"Waits of a light tenant's tasks, {plan.rate} a second, from submit to start:\n"
    yield from head("pool", "neighbour", "p50 ms", "p95", "p99", "the neighbour's line at the end")
    for pool in run.plan.pools:
        for name, label in (("alone", "none"), ("beside", "waiting")):
            left = cell(run, names.NOISY, f"{pool}.left") if name == "beside" else "-"
            waits = (f"{pool}.{name}.{each}" for each in ("p50", "p95", "p99"))
            yield row(pool, label, *cells(run, names.NOISY, *waits), left)


@_of(names.WEIGHTS)
def _weights(run: Run) -> Iterator[str]:
    plan = run.plan.weights
    yield f"\n## Weights: worker time of {plan.slots} slots in {plan.seconds:.0f} s, more work than they can do"
    yield from head("weight", "its tasks, ms", "share due %", "share %", "worker s")
    for weight, milliseconds in zip(plan.weights, plan.milliseconds, strict=True):
        yield row(
            str(weight),
            f"{milliseconds:g}",
            f"{100 * weight / sum(plan.weights):.1f}",
            cell(run, names.WEIGHTS, f"share.{weight}", 100),
            cell(run, names.WEIGHTS, f"seconds.{weight}"),
        )
    yield f"\nLargest deviation from a share: {cell(run, names.WEIGHTS, 'deviation', 100)} % of it;"
    yield f"the slots were busy {cell(run, names.WEIGHTS, 'busy', 100)} % of the time."


@_of(names.SOAK)
def _soak(run: Run) -> Iterator[str]:
    plan = run.plan.soak
    yield f"\n## Soak: {plan.seconds:.0f} s of mixed load, {plan.rate} operations/s"
    pairs = ("PSS MB", "% of a core idle", "open files", "threads")
    yield from head("process", *(text for name in pairs for text in (f"{name} before", "half-way", "after")))
    for suffix, label in {"": "all", **{f".{part}": label for part, label in PARTS.items()}}.items():
        if run.figures(names.SOAK, f"before.idle{suffix}"):
            figures = ("memory.idle", "idle", "files", "threads")
            yield row(label, *_states(run, *(f"{figure}{suffix}" for figure in figures)))
    yield f"\nMemory grew by {_growth(run, 'half')} % in the first half, and by {_growth(run, 'after')} % in all;"
    p50, p99 = cells(run, names.SOAK, "load.after.p50", "load.after.p99")
    yield f"operations took {p50} ms (p50) and {p99} ms (p99) in the second half."


def _states(run: Run, *figures: str) -> Iterator[str]:
    for figure in figures:
        yield from cells(run, names.SOAK, *(f"{when}.{figure}" for when in ("before", "half", "after")))


def _growth(run: Run, until: str) -> str:
    return ", ".join(f"{percent:.1f}" for percent in targets.soak_growth(run, until))


@_of(names.FLOODS)
def _floods(run: Run) -> Iterator[str]:
    yield f"\n## Floods: {run.plan.floods.seconds:.0f} s each, one api process"
    yield "The p95 is that of another tenant's status, asked every 20 ms; memory is the api's, at its largest:\n"
    yield from head("flood", "its answers", "p95 ms before", "during", "other tenant's refused", "memory MB more")
    for flood in flood_kinds.chosen(run.plan.floods.names):
        figures = cells(
            run, names.FLOODS, *(f"{flood.name}.{name}" for name in ("before", "during", "refused", "memory"))
        )
        yield row(flood.name, _statuses(run, flood.name), *figures)


def _statuses(run: Run, flood: str) -> str:
    """Return how often each status was answered, in all rounds."""
    prefix, counts = f"{flood}.status.", Counter[str]()
    for figures in run.rounds:
        for name, count in figures.get(names.FLOODS, {}).items():
            if name.startswith(prefix):
                counts[name.removeprefix(prefix)] += int(count)
    return ", ".join(f"{status}: {count:,}" for status, count in sorted(counts.items())) or "none"


@_of(names.DELIVERIES)
def _deliveries(run: Run) -> Iterator[str]:
    yield f"\n## Deliveries: {run.plan.deliveries.events:,} events to a receiver that answers at once"
    yield from head("to", "CPU s per 1,000", "of it, by process", "deliveries/s", "cores used by others")
    for kind, label in names.DESTINATIONS.items():
        figures = cells(run, names.DELIVERIES, f"{kind}.rate", f"{kind}.other")
        cpu = cell(run, names.DELIVERIES, f"{kind}.cpu"), by_part(run, names.DELIVERIES, f"{kind}.cpu")
        yield row(label, *cpu, *figures)


SECTIONS: Final[tuple[Section, ...]] = (_tenants, _noisy, _weights, _floods, _deliveries, _soak)
