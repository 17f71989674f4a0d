"""The dispatcher: ``python -m app.dispatch``."""

import asyncio
import signal

from app.core import logging as structured_logging
from app.core.config import get_settings
from app.dispatch import loop
from app.metrics import serving


async def _main() -> None:
    structured_logging.configure(get_settings().log_level, service="dispatcher")
    serving.start("dispatcher")
    stopping = asyncio.Event()
    # A clean stop releases the lease, so that another dispatcher leads at once.
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signal_number, stopping.set)
    await loop.run(stopping)


asyncio.run(_main())
