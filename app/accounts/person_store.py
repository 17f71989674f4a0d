"""SQL of persons, who belong to no tenant. Functions of the database change them (migrations/functions)."""

from typing import Final

from app.db import Connection, call

_CALL_SET: Final = call("person_set_password", "email", "hash", "version", "is_new")
_SET: Final = f"SELECT {_CALL_SET}"


async def set_password_any_tenant(
    connection: Connection, email: str, password_hash: str, *, version: int, is_new: bool
) -> int | None:
    """Write a person's password unless the person has changed since ``version`` was read.

    With ``is_new`` it is another password, which ends all tokens and sessions of the person; otherwise the same one
    under newer hash parameters. Return the version afterwards; None if nothing was written.
    """
    # Without the comparison, a slow login could bring the old password back.
    reached: int | None = await connection.fetchval(_SET, email, password_hash, version, is_new)
    return reached


async def sign_out_any_tenant(connection: Connection, email: str) -> None:
    """End all tokens and sessions of a person."""
    await connection.execute("SELECT person_sign_out($1)", email)


async def reset_password_any_tenant(connection: Connection, email: str, password_hash: str) -> None:
    """Write an initial password for a person, which ends all its tokens and sessions."""
    await connection.execute("SELECT person_reset_password($1, $2)", email, password_hash)
