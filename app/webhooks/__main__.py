"""The process that delivers: ``python -m app.webhooks``."""

import asyncio
import resource
import signal
from typing import Final

from app.core import logging as structured_logging
from app.core.config import get_settings
from app.webhooks import delivery, resolver

_FILES: Final = 4_096
"""Open files: a connection for each delivery in flight, with room for those that close slowly."""


async def _main() -> None:
    structured_logging.configure(get_settings().log_level)
    _raise_file_limit()
    resolver.bound_system_resolver()
    stopping = asyncio.Event()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signal_number, stopping.set)
    await delivery.run(stopping)


def _raise_file_limit() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES if hard == resource.RLIM_INFINITY else min(_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


asyncio.run(_main())
