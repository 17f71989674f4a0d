"""Where several processes share the suite, the long files begin first."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests import distribution
from tests.conftest import ROOT

_TESTS = {"test_few": 1, "test_many": 3, "test_long": 1}


@pytest.mark.parametrize("file", distribution.LONGEST)
def test_a_file_that_begins_early_is_there(file: str):
    assert (ROOT / file).is_file()
    assert distribution.LONGEST.count(file) == 1


def test_each_of_two_processes_takes_a_long_file_first_and_then_those_of_most_tests(tmp_path: Path):
    for file, count in _TESTS.items():
        lines = [f"def test_{number}(): ..." for number in range(count)]
        (tmp_path / f"{file}.py").write_text("\n".join(lines))
    (tmp_path / "conftest.py").write_text(
        "from tests import distribution\n"
        "from tests.conftest import pytest_collection_modifyitems, pytest_configure\n"
        "distribution.LONGEST = ('test_long.py',)\n"
    )
    line = [sys.executable, "-m", "pytest", "-n", "1", "--dist", "loadfile", "-v", "-c", "/dev/null", "--rootdir", "."]
    done = subprocess.run(
        line, cwd=tmp_path, env={"PYTHONPATH": f"{ROOT}"}, check=True, capture_output=True, text=True, timeout=60
    )
    ended = [line.split()[-1].partition(".py")[0] for line in done.stdout.splitlines() if "PASSED" in line]
    assert list(dict.fromkeys(ended)) == ["test_long", "test_many", "test_few"]
