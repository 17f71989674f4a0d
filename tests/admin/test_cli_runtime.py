"""Each kind of error ends a command with its exit code and one line; docs/commands.md lists the codes."""

import asyncpg
import pytest

from app.admin import cli_runtime
from app.core.errors import EmailTaken, InvalidRequest, NotFound, Unavailable
from app.core.secrets import SecretsFileError
from app.tenants.tenancy import SlugTaken


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (NotFound("No tenant."), 3),
        (SlugTaken("Taken."), 4),
        (EmailTaken("Taken."), 4),
        (InvalidRequest("Wrong."), 5),
        (cli_runtime.CommandRefused("Not now."), 5),
        (SecretsFileError("No file."), 5),
        (asyncpg.InvalidPasswordError("no"), 5),
        (asyncpg.UndefinedTableError("no"), 5),
        (Unavailable(), 6),
        (ConnectionRefusedError("no"), 6),
        (asyncpg.InvalidCatalogNameError("no"), 6),
    ],
)
def test_an_error_is_an_exit_code_and_a_line(error: Exception, code: int, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended, cli_runtime.exit_codes():
        raise error
    assert ended.value.code == code
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    assert len(line) > 3


def test_an_unexpected_error_keeps_its_traceback() -> None:
    with pytest.raises(ZeroDivisionError), cli_runtime.exit_codes():
        raise ZeroDivisionError


def test_the_operator_is_the_system_user() -> None:
    actor = cli_runtime.operator()
    assert actor.type == "operator"
    assert actor.name
