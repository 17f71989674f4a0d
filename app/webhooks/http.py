"""httpx without its command line, which it imports where it can: click, rich and pygments are 5 MB of each process."""

import sys

# What is None there cannot be imported, and then httpx does without (httpx/__init__.py).
sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]

import httpx  # noqa: E402

__all__ = ["httpx"]
