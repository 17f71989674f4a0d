"""Import httpx without its command line.

httpx imports click, rich and pygments for it where it can: 5 MB of each process.
"""

import sys

# A module that is None here cannot be imported; httpx then leaves its command line out (httpx/__init__.py).
sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]

import httpx  # noqa: E402

__all__ = ["httpx"]
