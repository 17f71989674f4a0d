"""No credential is in any log: each scratch folder of the suite is read before it goes."""

import json
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from scripts.stack import embedded

PASSWORDS: Final = {"correct horse battery staple 4711", "correct horse battery"}
"""Of members, as the tests choose them."""
_FORMS: Final = {
    "an API key": re.compile(r"tq_live_[0-9A-Za-z]{12}_[0-9A-Za-z]{8,}"),
    "a token": re.compile(r"eyJ[0-9A-Za-z_-]{10,}\.eyJ[0-9A-Za-z_-]{10,}\.[0-9A-Za-z_-]{10,}"),
    "a webhook secret": re.compile(r"whsec_[0-9A-Za-z+/=_-]{16,}"),
    "a private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY"),
    "a password in a URL": re.compile(r"://[^:/@\s\"]*:[^@/\s\"…]{3,}@"),
}
_SHORTEST: Final = 16


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """Yield a folder for servers and stacks; at its end, hold that no log in it has a credential."""
    with embedded.scratch_folder() as folder:
        yield folder
        # A shell's output is what a person sees, who is shown the first key.
        logs = [log for log in folder.rglob("*.log") if log.name != "shell.log"]
        secrets = {text for path in folder.rglob("secrets*.json") for text in _texts(json.loads(path.read_text()))}
        hold(logs, secrets)


def hold(logs: Iterable[Path], secrets: Iterable[str] = ()) -> None:
    """Fail where a log has a credential, known or by its form; names the log and the line's number, not the text."""
    known = list(secrets)
    found = [
        f"{log}:{line}: {what}" for log in logs for line, what in credentials(log.read_text("utf-8", "replace"), known)
    ]
    assert not found, found


def credentials(text: str, secrets: Iterable[str] = ()) -> list[tuple[int, str]]:
    """Return the numbers of the lines that have a credential, and what it is."""
    known = [*secrets, *PASSWORDS]
    return [
        (number, what)
        for number, line in enumerate(text.splitlines(), start=1)
        for what in [
            *(name for name, form in _FORMS.items() if form.search(line)),
            *("a secret of this run" for secret in known if secret in line),
        ]
    ]


def _texts(value: Any) -> Iterator[str]:
    """Go through a secrets file: every text that is long enough to be a secret and no name."""
    if isinstance(value, dict):
        for one in value.values():
            yield from _texts(one)
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one)
    elif isinstance(value, str) and len(value) >= _SHORTEST:
        yield value
