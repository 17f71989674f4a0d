"""Define the commands for API keys."""

from collections.abc import Iterable
from typing import Annotated

import typer

from app.accounts import keys
from app.admin import cli_runtime
from app.admin.output import AsJson, show, show_list
from app.admin.tenant_commands import Slug
from app.core import suggestions
from app.core.secrets import get_secrets

app = typer.Typer(help="Issue, rotate and revoke API keys.", no_args_is_help=True)


@app.command()
def issue(
    slug: Slug,
    name: Annotated[str, typer.Option(help="A name for people to recognise the key by.")],
    scopes: Annotated[str, typer.Option(help="Comma-separated.")] = ",".join(sorted(keys.ALL_SCOPES)),
    expires_days: Annotated[
        int | None, typer.Option(help="Days until the key expires. Default: it does not expire.")
    ] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Issue a key. It is shown only now."""
    actor, secrets = cli_runtime.operator(), get_secrets()
    wanted = {scope.strip() for scope in scopes.split(",") if scope.strip()}
    # Checked here too, because ``keys.issue`` would name the scope without a suggestion.
    _check(wanted)
    key, text = cli_runtime.for_tenant(
        slug,
        lambda connection, tenant: keys.issue(
            connection, actor, tenant.id, name=name, scopes=wanted, expires_days=expires_days, secrets=secrets
        ),
    )
    show({"key_id": key.key_id, "api_key": text, **keys.describe(key)}, as_json=as_json)


def _check(scopes: Iterable[str]) -> None:
    for scope in sorted(set(scopes) - keys.ALL_SCOPES):
        meant = suggestions.did_you_mean(scope, keys.ALL_SCOPES)
        message = f"There is no scope {scope!r}.{meant} The scopes are: {', '.join(sorted(keys.ALL_SCOPES))}."
        raise cli_runtime.CommandRefused(message)


@app.command("list")
def list_(slug: Slug, *, as_json: AsJson = False) -> None:
    """Show a tenant's keys, including ended ones."""
    found = cli_runtime.for_tenant(slug, lambda connection, tenant: keys.list_all(connection, tenant.id))
    columns = ("key_id", "name", "scopes", "created_at", "last_used_at", "expires_at", "revoked_at")
    show_list([keys.describe(key) for key in found], columns, as_json=as_json)


@app.command()
def revoke(slug: Slug, key_id: str, *, as_json: AsJson = False) -> None:
    """Revoke a key. Every process refuses it within 2 seconds."""
    actor = cli_runtime.operator()
    cli_runtime.for_tenant(slug, lambda connection, tenant: keys.revoke(connection, actor, tenant.id, key_id))
    show({"key_id": key_id, "revoked": True}, as_json=as_json)


@app.command()
def rotate(
    slug: Slug,
    key_id: str,
    overlap: Annotated[int, typer.Option(help="Seconds for which both keys are valid.")] = 86_400,
    *,
    as_json: AsJson = False,
) -> None:
    """Replace a key by one with the same name, scopes and length of life. The new key is shown only now."""
    actor, secrets = cli_runtime.operator(), get_secrets()
    key, text = cli_runtime.for_tenant(
        slug,
        lambda connection, tenant: keys.rotate(
            connection, actor, tenant.id, key_id, overlap_seconds=overlap, secrets=secrets
        ),
    )
    show({"key_id": key.key_id, "api_key": text, **keys.describe(key)}, as_json=as_json)
