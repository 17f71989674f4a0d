"""When an environment counts as ready: its stamp, its interpreter, and no killed installation."""

import sys
from pathlib import Path

import pytest

from scripts.stack import environment, installer, requirements
from scripts.stack.errors import StackError


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Make a checkout with requirements and an interpreter, but nothing to install from."""
    for name in (requirements.RUNTIME, requirements.EMBEDDED, requirements.DEVELOPMENT):
        (tmp_path / name).write_text(f"# {name}\n")
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "pyvenv.cfg").write_text("")
    requirements.venv_python(tmp_path).symlink_to(sys.executable)
    return tmp_path


def test_what_was_recorded_is_installed(checkout: Path) -> None:
    assert not requirements.is_installed(checkout, requirements.RUNTIME)
    requirements.record(checkout, requirements.RUNTIME)
    assert requirements.is_installed(checkout, requirements.RUNTIME)


def test_a_larger_set_counts_and_a_smaller_one_does_not(checkout: Path) -> None:
    requirements.record(checkout, requirements.EMBEDDED)
    assert requirements.is_installed(checkout, requirements.RUNTIME)
    assert not requirements.is_installed(checkout, requirements.DEVELOPMENT)


def test_changed_requirements_are_installed_again(checkout: Path) -> None:
    requirements.record(checkout, requirements.RUNTIME)
    (checkout / requirements.RUNTIME).write_text("# another\n")
    assert not requirements.is_installed(checkout, requirements.RUNTIME)


def test_a_killed_installation_is_not_trusted(checkout: Path) -> None:
    requirements.record(checkout, requirements.RUNTIME)
    requirements.begin(checkout)
    assert not requirements.is_installed(checkout, requirements.RUNTIME)
    assert requirements.was_interrupted(checkout)


def test_an_interpreter_that_does_not_run_has_no_version(tmp_path: Path) -> None:
    assert requirements.version_of(tmp_path / "python") is None


def test_a_ready_environment_is_used_without_installing(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    requirements.record(checkout, requirements.DEVELOPMENT)
    monkeypatch.setattr(installer, "install", lambda *_: pytest.fail("it installed again"))
    assert environment.ensure(checkout, requirements.RUNTIME) == requirements.venv_python(checkout)


def test_a_failed_installation_is_one_line_that_names_the_log(checkout: Path) -> None:
    (checkout / requirements.RUNTIME).write_text("without-a-hash==1.0\n")
    with pytest.raises(StackError, match=r"installing failed: .*run again.*install\.log"):
        installer.install(checkout, [sys.executable, "-m", "pip"], requirements.RUNTIME)
