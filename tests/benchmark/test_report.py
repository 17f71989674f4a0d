"""What a report says of given figures."""

import pytest

from scripts.benchmark import names, peers, plan, report, servers, targets
from scripts.benchmark.measurements import Figures
from scripts.benchmark.rounds import Run
from scripts.stack import parts

QUIET = plan.Plan(rounds=3, connections=(64,))
GATE = {"gate.submit.64.cpu": 0.1}


def figures(**changed: float) -> Figures:
    """Return one app's figures of one round."""
    same = dict.fromkeys(("rate", "p50", "p99", "cpu", "cpu.api", "own_share", "other"), 10.0)
    return {
        **{f"submit.64.{name}": value for name, value in same.items()},
        "idle": 1.0,
        "memory.idle": 100.0,
        "latency.p50": 5.0,
        "submit.64.own_share": 0.1,
        **{name.replace("_", "."): value for name, value in changed.items()},
    }


def run(*rates: float) -> Run:
    """Return a run in which ours had these rates, and the others 10 a second."""
    return Run(
        QUIET,
        [
            {"ours": figures(submit_64_rate=rate), "naive": figures(), "empty": figures(), "gate": dict(GATE)}
            for rate in rates
        ],
    )


def verdict(found: Run, words: str) -> targets.Verdict:
    (one,) = [each for each in targets.verdicts(found) if words in each.what]
    return one


def test_a_cell_is_the_median_and_the_range() -> None:
    assert "| 50.0 [20.0-70.0] |" in report.write(run(20, 70, 50))


def test_a_ratio_is_of_the_medians() -> None:
    assert "| submit.64.rate | 5.00 [2.00-7.00] | 5.00 [2.00-7.00] |" in report.write(run(20, 70, 50))


def test_a_figure_that_an_app_lacks_is_a_dash() -> None:
    assert "| e2e.cpu | - | - | - |" in report.write(run(20))


def test_batches_are_reported_by_the_thousand_tasks() -> None:
    found = run(20)
    found.rounds[0]["ours"] |= {"batch.cpu": 0.025, "batch.rate": 40_000.0}
    text = report.write(found)
    assert "## Batches of 100 tasks, 4 connections" in text
    assert "| ours | 25.0 | - | 40,000 | - | - |" in text


@pytest.mark.parametrize(("rates", "is_met"), [((39, 39, 80), False), ((40, 41, 10), True)])
def test_the_median_decides_on_a_target(rates: tuple[float, ...], is_met: bool) -> None:
    assert verdict(run(*rates), "times the naive").is_met is is_met


def test_a_busy_load_generator_is_no_measure() -> None:
    found = run(40)
    assert verdict(found, "load generator").is_met
    found.rounds[0]["empty"]["submit.64.own_share"] = 0.9
    assert not verdict(found, "load generator").is_met


@pytest.mark.parametrize(
    ("arguments", "rounds", "tasks"), [([], 3, 5000), (["--quick"], 1, 1000), (["--quick", "--rounds", "2"], 2, 1000)]
)
def test_the_arguments_choose_the_plan(arguments: list[str], rounds: int, tasks: int) -> None:
    wish = plan.parse(arguments)
    assert (wish.plan.rounds, wish.plan.end_to_end_tasks, wish.figures) == (rounds, tasks, None)


@pytest.mark.parametrize("arguments", [["--rounds", "0"], ["--json", "/nowhere/at/all.json"]])
def test_what_cannot_work_is_refused_before_anything_runs(arguments: list[str]) -> None:
    with pytest.raises(SystemExit):
        plan.parse(arguments)


def test_every_app_is_served_with_the_same_options() -> None:
    theirs, ours = servers.SERVED_BY.split(), parts._API.split()[2:]
    # Ours may read HTTP by a protocol of its own, which is part of what is measured.
    ours[ours.index("--http") + 1] = "httptools"
    assert theirs == ours


def test_a_plain_run_measures_the_core_and_a_quick_one_every_scenario() -> None:
    assert plan.parse([]).plan.contenders == names.CORE
    assert plan.parse(["--quick"]).plan.contenders == (*names.CORE, *names.SCENARIOS)
    full = plan.parse(["--full"]).plan
    assert (full.contenders, full.peers) == ((*names.CORE, *names.SCENARIOS), tuple(peers.ALL))


def test_what_is_measured_is_chosen_by_name() -> None:
    chosen = plan.parse(["--only", "weights,core,taskiq", "--weights-seconds", "7"]).plan
    assert (chosen.contenders, chosen.peers) == ((*names.CORE, names.WEIGHTS), ("taskiq",))
    assert chosen.weights.seconds == 7
    with pytest.raises(SystemExit):
        plan.parse(["--only", "weights,nothing"])


def test_what_was_not_measured_has_no_section_and_is_not_judged() -> None:
    seen = {"deviation": 0.06, "busy": 0.99, **{f"share.{weight}": weight / 7 for weight in (1, 2, 4)}}
    found = Run(plan.Plan(contenders=(names.WEIGHTS,)), [{names.WEIGHTS: seen}])
    text = report.write(found)
    assert "## Weights" in text
    assert "## Submit" not in text
    assert "## Soak" not in text
    (only,) = targets.verdicts(found)
    assert (only.floor, only.stretch, only.seen, only.word) == ("≤ 10", "≤ 5", "6.00", "met")


def test_a_flood_is_told_with_its_answers_and_the_worst_one_is_judged() -> None:
    calm = {"before": 3.0, "during": 20.0, "refused": 0.0, "memory": 5.0, "status.429": 7.0, "status.200": 1_000.0}
    seen = {f"replays.{name}": value for name, value in calm.items()} | {"forged.during": 26.0}
    found = Run(plan.Plan(), [{names.FLOODS: seen}])
    assert "| replays | 200: 1,000, 429: 7 | 3.00 | 20.0 | 0 | 5.00 |" in report.write(found)
    assert [(each.seen, each.word) for each in targets.verdicts(found)] == [
        ("26.0", "**missed**"), ("0", "met"), ("5.00", "met"),
    ]  # fmt: skip


def test_a_wait_beside_a_line_that_has_ended_is_not_judged() -> None:
    seen = {"prefork.beside.p95": 20.0, "prefork.left": 5.0, "asyncio.beside.p95": 20.0, "asyncio.left": 0.0}
    found = Run(plan.Plan(), [{names.NOISY: seen}])
    assert [(each.what.split(", ")[1], each.word) for each in targets.verdicts(found)] == [
        ("prefork", "met, stretch too")
    ]


def test_memory_and_open_files_are_compared_around_a_soak() -> None:
    states = {"memory.idle": 100.0, "idle": 1.0, "files": 50.0, "threads": 7.0}
    states |= {f"{name}.api": value for name, value in states.items()}
    seen = {f"{when}.{name}": value for when in ("before", "half", "after") for name, value in states.items()}
    found = Run(plan.Plan(), [{names.SOAK: {**seen, "half.memory.idle": 103.0, "after.memory.idle": 104.0}}])
    text = report.write(found)
    assert "| all | 100 | 103 | 104 | 1.00 | 1.00 | 1.00 | 50.0 | 50.0 | 50.0 | 7.00 | 7.00 | 7.00 |" in text
    assert "Memory grew by 3.0 % in the first half, and by 4.0 % in all;" in text
    assert verdict(found, "growth").is_met
