"""Tell asyncpg about Postgres's built-in array types, so that connections need not query the catalogue.

asyncpg knows few of them. For the others each connection runs a query over a dozen catalogues: 13 ms before its first
statement, and 1.6 MB in the server for the plan. The numbers below are part of Postgres's format on disk
(src/include/catalog/pg_type.dat). tests/db checks them, and the private parts of asyncpg that are used here.
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
"""The oid of each type, and the oid of its array type."""

# The rows that asyncpg's own query would return (asyncpg/introspection.py).
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
    """Register the array types with a new connection."""
    connection._protocol.get_settings().register_data_types(_ROWS)  # type: ignore[attr-defined]  # noqa: SLF001 see above
