"""The names of what a run measures, as ``--only`` and the figures have them."""

from typing import Final

PREFORK: Final = "prefork"
ASYNCIO: Final = "asyncio"
POOLS: Final = (PREFORK, ASYNCIO)
"""The kinds of worker, each with a task type that does nothing and one that sleeps."""

OURS: Final = "ours"
"""With a prefork worker."""
OURS_ASYNCIO: Final = "ours-asyncio"
NAIVE: Final = "naive"
EMPTY: Final = "empty"
GATE: Final = "gate"
CORE: Final = (EMPTY, OURS, OURS_ASYNCIO, NAIVE, GATE)
"""What is always measured, where nothing else is asked for."""

TENANTS: Final = "tenants"
NOISY: Final = "noisy"
WEIGHTS: Final = "weights"
SOAK: Final = "soak"
FLOODS: Final = "floods"
DELIVERIES: Final = "deliveries"
SCENARIOS: Final = (TENANTS, NOISY, WEIGHTS, FLOODS, DELIVERIES, SOAK)
"""Ours alone, under a load that only a product for many tenants has to bear."""

DESTINATIONS: Final = {"url": "one `webhook_url`", "urls": "20 `webhook_url`s", "endpoint": "one endpoint"}
"""Where the events of the deliveries go to, by the name of the figures."""
