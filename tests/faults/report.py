"""The table of a run: for people on stdout, for programs as JSON."""

from dataclasses import asdict, dataclass, field
from typing import Any

from tests.faults.checker import Verdict
from tests.faults.faults import Felt
from tests.faults.plan import Entry, not_run


@dataclass
class Row:
    """One fault, over all of its runs."""

    id: str
    name: str
    bound: float | None
    runs: int = 0
    affected: int = 0
    longest: float = 0.0
    notes: dict[str, float] = field(default_factory=dict)
    """The highest of each."""
    wrong: list[str] = field(default_factory=list)
    """Violations found after it, and what made it break off."""

    @property
    def is_held(self) -> bool:
        """Whether nothing was wrong, and it was felt no longer than it may be."""
        return not self.wrong and (self.bound is None or self.longest <= self.bound)

    def add(self, felt: Felt) -> None:
        """Note a run."""
        self.runs += 1
        self.affected += felt.affected
        self.longest = max(self.longest, felt.seconds)
        for name, value in felt.notes.items():
            self.notes[name] = max(value, self.notes.get(name, value))


@dataclass
class Report:
    """A run."""

    seed: int
    command: str
    machine: str
    rows: dict[str, Row] = field(default_factory=dict)
    verdict: Verdict = field(default_factory=Verdict)
    longest_rest: float = 0.0
    """From the end of the load to the end of the last task and webhook."""
    seconds: float = 0.0
    samples: int = 0

    def row(self, entry: Entry) -> Row:
        """Return a fault's row."""
        return self.rows.setdefault(entry.name, Row(entry.id, entry.name, entry.bound))

    @property
    def is_held(self) -> bool:
        """Whether everything was."""
        return not self.verdict.violations and all(row.is_held for row in self.rows.values())

    def as_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return asdict(self) | {"is_held": self.is_held, "not_run": not_run(), "counts": self.counts()}

    def counts(self) -> dict[str, float]:
        """Return the counts of the whole run."""
        runs = sum(row.runs for row in self.rows.values())
        return {"faults": runs, **self.verdict.counts(), "samples": self.samples}


def write(report: Report) -> str:
    """Return the report as Markdown."""
    lines = [
        f"`{report.command}` (seed {report.seed}, {report.seconds / 60:.1f} minutes; {report.machine})",
        "",
        "| | fault | runs | affected | longest recovery, s | bound, s | held | notes (the highest of each) |",
        "|---|---|---:|---:|---:|---:|---|---|",
    ]
    for row in sorted(report.rows.values(), key=_place):
        notes = ", ".join(f"{name} {_number(value)}" for name, value in row.notes.items())
        bound = "" if row.bound is None else f"{row.bound:.0f}"
        held = "yes" if row.is_held else "NO"
        lines.append(
            f"| {row.id} | {row.name} | {row.runs} | {row.affected} | {row.longest:.2f} | {bound} | {held} | {notes} |"
        )
    lines += [f"| {id_} | {reason} | not run | | | | | |" for id_, reason in not_run().items()]
    lines += ["", "| count | |", "|---|---:|"]
    lines += [f"| {name.replace('_', ' ')} | {_number(value)} |" for name, value in report.counts().items()]
    lines += [f"| longest rest after a fault, s | {report.longest_rest:.1f} |", ""]
    for row in report.rows.values():
        lines += [f"- {row.id} {row.name}: {wrong}" for wrong in row.wrong[:10]]
    return "\n".join(lines)


def _place(row: Row) -> tuple[int, str]:
    return (int(row.id[1:]), row.name) if row.id[1:].isdigit() else (99, row.name)


def _number(value: float) -> str:
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.3f}"
