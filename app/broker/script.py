"""Run a Lua script in Redis: by its digest, or by its text if the server does not have it yet."""

import hashlib
from collections.abc import Sequence
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import NoScriptError

from app.broker.script_connection import ScriptConnection


class Script:
    """One Lua script. ``text`` is its source, ``sha`` the digest by which EVALSHA names it."""

    def __init__(self, text: str) -> None:
        """``text`` is sent to the server only once, so comments in it cost nothing."""
        self.text = text
        self.sha = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()

    async def run(self, redis: Redis | ScriptConnection, keys: Sequence[str], args: Sequence[str | int]) -> list[Any]:
        """Run the script in one round trip (two after a restart of Redis); return its reply, which is an array.

        Raises ``redis.exceptions.RedisError``.
        """
        try:
            reply: list[Any] = await redis.evalsha(self.sha, len(keys), *keys, *args)
        except NoScriptError:
            # EVAL also stores the script, so the next call is by digest again.
            reply = await redis.eval(self.text, len(keys), *keys, *args)
        return reply
