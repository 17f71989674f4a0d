"""What of a webhook_url is bounded as one (pure): who ends tasks needs this, and not the parser that sends."""

import re
from typing import Final

MAX_LENGTH: Final = 2_048
"""Characters of a webhook_url, at most."""


def endpoint(url: str) -> str:
    """Return a URL without its query: what is bounded as one. It takes any text: a task's end must not fail by it."""
    return re.split(r"[?#]", url, maxsplit=1)[0][:MAX_LENGTH]
