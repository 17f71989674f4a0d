"""When an environment counts as ready: its stamp, its interpreter, and no killed installation."""

import sys
from pathlib import Path

import pytest

from scripts.stack import environment, installer, requirements
from scripts.stack.errors import StackError


@pytest.fixture
def venv(tmp_path: Path) -> Path:
    """Make a checkout with requirements and an interpreter, but nothing to install from."""
    for name in (requirements.RUNTIME, requirements.EMBEDDED, requirements.DEVELOPMENT):
        (tmp_path / name).write_text(f"# {name}\n")
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "pyvenv.cfg").write_text("")
    requirements.venv_python(tmp_path / ".venv").symlink_to(sys.executable)
    return tmp_path / ".venv"


def test_what_was_recorded_is_installed(venv: Path) -> None:
    assert not requirements.is_installed(venv, requirements.RUNTIME)
    requirements.record(venv, requirements.RUNTIME)
    assert requirements.is_installed(venv, requirements.RUNTIME)


def test_a_larger_set_counts_and_a_smaller_one_does_not(venv: Path) -> None:
    requirements.record(venv, requirements.EMBEDDED)
    assert requirements.is_installed(venv, requirements.RUNTIME)
    assert not requirements.is_installed(venv, requirements.DEVELOPMENT)


def test_changed_requirements_are_installed_again(venv: Path) -> None:
    requirements.record(venv, requirements.RUNTIME)
    (venv.parent / requirements.RUNTIME).write_text("# another\n")
    assert not requirements.is_installed(venv, requirements.RUNTIME)


def test_the_bench_has_an_environment_of_its_own(tmp_path: Path) -> None:
    main = {requirements.venv_for(tmp_path, name) for name in (requirements.RUNTIME, requirements.DEVELOPMENT)}
    assert main == {tmp_path / ".venv"}
    assert requirements.venv_for(tmp_path, requirements.BENCH) == tmp_path / ".venv-bench"


def test_a_killed_installation_is_not_trusted(venv: Path) -> None:
    requirements.record(venv, requirements.RUNTIME)
    requirements.begin(venv)
    assert not requirements.is_installed(venv, requirements.RUNTIME)
    assert requirements.was_interrupted(venv)


def test_an_interpreter_that_does_not_run_has_no_version(tmp_path: Path) -> None:
    assert requirements.version_of(tmp_path / "python") is None


def test_a_ready_environment_is_used_without_installing(venv: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    requirements.record(venv, requirements.DEVELOPMENT)
    monkeypatch.setattr(installer, "install", lambda *_: pytest.fail("it installed again"))
    assert environment.ensure(venv.parent, requirements.RUNTIME) == requirements.venv_python(venv)


def test_a_failed_installation_is_one_line_that_names_the_log(venv: Path) -> None:
    (venv.parent / requirements.RUNTIME).write_text("without-a-hash==1.0\n")
    with pytest.raises(StackError, match=r"installing failed: .*run again.*install\.log"):
        installer.install(venv, [sys.executable, "-m", "pip"], requirements.RUNTIME)
