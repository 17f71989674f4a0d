"""Give asyncpg the facts about Postgres's built-in array types, so that no connection queries the catalogue.

asyncpg knows few of them, and asks for the others by a query over a dozen catalogues, once for each connection, whose
plan the server keeps: 1.6 MB of a backend, and 13 ms before its first statement. The numbers below are part of
Postgres's format on disk (src/include/catalog/pg_type.dat). tests/db holds them, and what is private of asyncpg.
"""

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import asyncpg

ELEMENTS: Final = {
    "bool": (16, 1000),
    "bytea": (17, 1001),
    "int2": (21, 1005),
    "int4": (23, 1007),
    "int8": (20, 1016),
    "float8": (701, 1022),
    "date": (1082, 1182),
    "timestamptz": (1184, 1185),
    "uuid": (2950, 2951),
}
"""The oid of a type, and that of its array."""

# What asyncpg's own query returns for each (asyncpg/introspection.py).
_ROWS: Final[list[dict[str, Any]]] = [
    {
        "oid": array,
        "ns": "pg_catalog",
        "name": f"_{name}",
        "kind": b"b",
        "basetype": None,
        "elemtype": element,
        "elemdelim": b",",
        "range_subtype": None,
        "attrtypoids": None,
        "attrnames": None,
    }
    for name, (element, array) in ELEMENTS.items()
]


def register(connection: "asyncpg.Connection[Any]") -> None:
    """Let a new connection know these arrays."""
    connection._protocol.get_settings().register_data_types(_ROWS)  # type: ignore[attr-defined]  # noqa: SLF001 see above
