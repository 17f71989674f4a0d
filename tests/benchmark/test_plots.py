"""The plots, where the environment that draws is."""

import json
import subprocess
from pathlib import Path

import pytest

from scripts.benchmark import peers
from scripts.stack import parts, requirements

BENCH_VENV = requirements.venv_for(parts.ROOT, requirements.BENCH)
DRAW = """
import sys
from pathlib import Path
from scripts.benchmark import plots
plots.draw(plots.load([Path(sys.argv[1])]), Path(sys.argv[2]))
"""


def draw(figures: Path, folder: Path) -> dict[str, bytes]:
    """Draw into a new folder; return the files."""
    folder.mkdir()
    line = [peers.python(), "-P", "-c", DRAW, figures, folder]
    subprocess.run(line, env={"PYTHONPATH": str(parts.ROOT)}, check=True)
    return {file.name: file.read_bytes() for file in folder.iterdir()}


@pytest.mark.skipif(
    not requirements.is_installed(BENCH_VENV, requirements.BENCH), reason="scripts/bench --peers makes .venv-bench"
)
def test_a_run_is_drawn_the_same_each_time_and_what_it_lacks_is_left_out(tmp_path: Path) -> None:
    ours = {"submit.64.cpu": 0.14, "memory.idle": 90.0, "memory.idle.api": 90.0}
    figures = tmp_path / "figures.json"
    figures.write_text(json.dumps({"rounds": [{"ours": ours, "empty": {"submit.64.cpu": 0.12}}]}))
    first, second = draw(figures, tmp_path / "first"), draw(figures, tmp_path / "second")
    assert first.keys() == {"submit-cpu.svg", "memory.svg"}
    assert first == second
