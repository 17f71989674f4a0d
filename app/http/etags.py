"""Compare entity tags."""


def has_etag(given: list[str], etag: str) -> bool:
    """Return whether the If-None-Match headers contain the ETag, by the weak comparison of RFC 9110 (13.1.2)."""
    names = [name.strip().removeprefix("W/") for header in given for name in header.split(",")]
    return etag in names or names == ["*"]
