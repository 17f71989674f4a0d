"""Write the blocking half of the client from its async half, so that there is one source for both."""

import re
from typing import Final

_CHANGES: Final = [
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"\basync (def|for|with)\b", r"\1"),
        (r"\bawait ", ""),
        # AsyncTaskQueue and AsyncIterator lose the word; ``__aiter__`` and ``aiter_bytes`` the letter.
        (r"\bAsync([A-Z]\w*)", r"\1"),
        (r"\b__a(iter|enter|exit|next)__", r"__\1__"),
        (r"\baiter_bytes\b", "iter_bytes"),
        (r"\baclose\b", "close"),
        (r"\baread\b", "read"),
        (r"\bStopAsyncIteration\b", "StopIteration"),
        (r"\bfrom asyncio import sleep\b", "from time import sleep"),
        (r"\basynccontextmanager\b", "contextmanager"),
        (r"\b_async\b", "_sync"),
    )
]


def twin(source: str) -> str:
    """Return the blocking form of a module."""
    for pattern, replacement in _CHANGES:
        source = pattern.sub(replacement, source)
    return source
