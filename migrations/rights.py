"""The rights of the roles: read from schema/rights.toml, and turned into grants and policies."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

_FILE: Final = Path(__file__).parent / "schema" / "rights.toml"
_RIGHT: Final = re.compile(r"(select|insert|update|delete)(?:\(([a-z_, ]+)\))?(?:, |$)")
# IS TRUE hides the condition from the planner: as an index condition, a cached plan would read all of a tenant's rows
# to find one (docs/decisions/0004-row-level-security.md).
_SCOPE: Final = "(({column} = ANY((SELECT current_setting('app.tenant_ids', true)::uuid[])::uuid[])) IS TRUE)"


def matrix() -> dict[str, Any]:
    """Return ``roles``, ``tables`` and ``functions`` of the file, with the rights of roles that are like others."""
    found = tomllib.loads(_FILE.read_text())
    for role, model in found["roles"]["like"].items():
        for rights in found["tables"].values():
            if model in rights:
                rights.setdefault(role, rights[model])
        for callers in found["functions"].values():
            if model in callers:
                callers.append(role)
    return found


def parts(rights: str) -> dict[str, str]:
    """Return the columns by right, as in ``select, update(a, b)``; a right to the whole table has no columns."""
    found = list(_RIGHT.finditer(rights))
    if "".join(match[0] for match in found) != rights:
        message = f"not a list of rights: {rights}"
        raise ValueError(message)
    return {match[1]: match[2] or "" for match in found}


def of_table(table: str, *, owner_column: str | None) -> Iterator[str]:
    """Yield the statements that give a table its grants, and its policies where its rows belong to tenants.

    ``owner_column`` holds the tenant's id; a table without one has no policies.
    """
    rights: dict[str, str] = matrix()["tables"].get(table, {})
    for role, text in rights.items():
        grants = (right + (f" ({columns})" if columns else "") for right, columns in parts(text).items())
        yield f"GRANT {', '.join(grants)} ON {table} TO {role}"
    if owner_column:
        yield f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY"
        yield f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY"
        yield f"CREATE POLICY owner ON {table} TO CURRENT_USER USING (true) WITH CHECK (true)"
        yield from _policies(table, rights, owner_column)


def _policies(table: str, rights: dict[str, str], owner_column: str) -> Iterator[str]:
    # A role without a right has no policy either: should it get the right by mistake, it still sees no row.
    roles = matrix()["roles"]
    for policy, scoped in roles["scoped"].items():
        if set(scoped) & set(rights):
            yield f"CREATE POLICY {policy} ON {table} TO {', '.join(scoped)} USING {_SCOPE.format(column=owner_column)}"
    for policy, role in roles["all_tenants"].items():
        if role in rights:
            yield from _for_all_tenants(table, policy, role, parts(rights[role]))


def _for_all_tenants(table: str, policy: str, role: str, rights: dict[str, str]) -> Iterator[str]:
    if role == "tq_admin":
        yield f"CREATE POLICY {policy} ON {table} TO {role} USING (true) WITH CHECK (true)"
    elif role == "tq_auth" and "update" not in rights:
        yield f"CREATE POLICY {policy} ON {table} FOR SELECT TO {role} USING (true)"
    else:
        yield f"CREATE POLICY {policy} ON {table} TO {role} USING (true)"
    if role == "tq_auth" and "delete" in rights:
        # It deletes what has expired: never a revocation that still counts.
        yield f"CREATE POLICY prune ON {table} FOR DELETE TO {role} USING (expires_at < now())"


def of_function(name: str) -> Iterator[str]:
    """Yield the statements that take a function from everybody and give it to its roles."""
    yield f"REVOKE ALL ON FUNCTION {name} FROM public"
    if roles := matrix()["functions"][name]:
        yield f"GRANT EXECUTE ON FUNCTION {name} TO {', '.join(roles)}"


def of_schema() -> Iterator[str]:
    """Yield the statements for what every role needs: the schema, and its revision."""
    roles = matrix()["roles"]
    names = [name for group in roles["scoped"].values() for name in group] + list(roles["all_tenants"].values())
    yield f"GRANT USAGE ON SCHEMA public TO {', '.join(names)}"
    yield f"GRANT SELECT ON alembic_version TO {', '.join(names)}"


def letters() -> dict[tuple[str, str], str]:
    """Return the rights by table and role: ``r(c)`` reads, and changes some columns.

    docs/security-isolation.md shows them.
    """
    short = {"select": "r", "insert": "a", "update": "c", "delete": "d"}
    return {
        (table, role): "".join(f"({short[right]})" if of else short[right] for right, of in parts(text).items())
        for table, rights in matrix()["tables"].items()
        for role, text in rights.items()
    }
