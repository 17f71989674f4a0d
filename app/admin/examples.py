"""An example for each command, at the end of its help."""

from collections.abc import Iterator
from typing import Final

import typer
from typer.models import CommandInfo

_ENDPOINT: Final = "0199a5b0-7c1e-7d3a-9b50-5f0c6b1f2a10"

# By the words of the command. What follows it is an example of its arguments.
ARGUMENTS: Final[dict[str, str]] = {
    "bootstrap": "",
    "clients build": "--output /srv/clients",
    "completion": "bash",
    "console-link": "acme --role developer",
    "delivery list": "acme --status FAILED --hours 48",
    "delivery resend": f"acme {_ENDPOINT}",
    "doctor": "--json",
    "jwt rotate": "--compromised",
    "key issue": "acme --name ci --scopes tasks:read,tasks:write --expires-days 90",
    "key list": "acme",
    "key revoke": "acme k3f9a2b7c1d4",
    "key rotate": "acme k3f9a2b7c1d4 --overlap 3600",
    "member add": "acme ann@example.com --role owner",
    "member list": "acme",
    "member remove": "acme ann@example.com",
    "member reset": "acme ann@example.com",
    "member role": "acme ann@example.com developer",
    "migrate": "",
    "operator-sign-out": "",
    "queue list": "",
    "queue pause": "acme",
    "queue resume": "acme",
    "rotate-kek": "--drop-old",
    "schedule list": "--tenant acme",
    "schedule pause": f"acme {_ENDPOINT} --note 'it floods the queue'",
    "schedule resume": f"acme {_ENDPOINT}",
    "schedule show": f"acme {_ENDPOINT} --json",
    "status": "--json",
    "task show": f"acme {_ENDPOINT}",
    "tenant create": 'acme --name "Acme Ltd" --plan pro',
    "tenant delete": "acme --confirm acme",
    "tenant list": "",
    "tenant rename": 'acme "Acme International"',
    "tenant resume": "acme",
    "tenant revoke-tokens": "acme",
    "tenant set-limit": "acme running=50 tasks_per_day=unlimited retention_days=",
    "tenant set-plan": "acme enterprise",
    "tenant show": "acme --json",
    "tenant suspend": "acme",
    "usage list": "--json",
    "usage show": "acme",
    "webhook disable": f"acme {_ENDPOINT}",
    "webhook enable": f"acme {_ENDPOINT}",
    "webhook list": "--tenant acme",
    "worker list": "",
}


def add(app: typer.Typer) -> None:
    """Show the example of each command below its help. A command without one is a ``KeyError`` at the start."""
    for name, command in _commands(app):
        command.epilog = f"Example: scripts/admin {name} {ARGUMENTS[name]}".rstrip()


def _commands(app: typer.Typer, group: str = "") -> Iterator[tuple[str, CommandInfo]]:
    for command in app.registered_commands:
        name = command.name or getattr(command.callback, "__name__", "").replace("_", "-")
        yield f"{group} {name}".strip(), command
    for inner in app.registered_groups:
        if inner.typer_instance is not None:
            yield from _commands(inner.typer_instance, str(inner.name))
