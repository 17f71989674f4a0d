"""Check that Redis runs all commands that the service needs. A PING is not enough: replicas and a full Redis answer."""

from typing import Any, Final
from uuid import uuid4

from redis.asyncio import Redis
from redis.exceptions import NoScriptError

from app.broker.script import Script
from app.core.redis import reason

# Every command that our scripts call, on keys that are empty again at the end.
_COMMANDS: Final = Script("""
local list, other, set, text = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
-- First a command that takes memory. After any write, even a DEL, Redis lets a script write beyond maxmemory, and the
-- check would not notice that Redis is full.
redis.call('LPUSH', list, 'a', 'b')
redis.call('DEL', other)
redis.call('RPUSH', list, 'c')
redis.call('LMOVE', list, other, 'LEFT', 'RIGHT')
redis.call('LRANGE', list, 0, -1)
redis.call('LLEN', list)
redis.call('LPOP', list)
redis.call('RPOP', list)
redis.call('SADD', set, 'a')
redis.call('SISMEMBER', set, 'a')
redis.call('SMEMBERS', set)
redis.call('SREM', set, 'a')
redis.call('TIME')
redis.call('SET', text, '1', 'PX', 1000)
redis.call('GET', text)
redis.call('EXISTS', text)
redis.call('DEL', text)
return {redis.call('PEXPIRE', other, 10000)}
""")
# The commands that are called directly are in ``_ask``. The key ``other`` has one element by then: BLMOVE moves it to
# ``list``, and BRPOP pops it there.
_CHANNEL: Final = "readiness"


class RedisCheck:
    """The check of one process. Its keys have a random name, so that processes do not disturb each other."""

    def __init__(self, redis: Redis) -> None:
        """``redis`` may be unavailable."""
        self._redis = redis
        name = f"readiness.{uuid4().hex}"
        self._keys = [f"{name}.{part}" for part in ("list", "other", "set", "text")]

    async def faults(self) -> list[str]:
        """Return in plain words what is wrong with Redis; an empty list if all is well. The caller bounds the time."""
        try:
            answers = await self._ask()
            if any(isinstance(answer, NoScriptError) for answer in answers):
                await self._redis.eval(_COMMANDS.text, len(self._keys), *self._keys)
                answers = await self._ask()
        except Exception as error:  # noqa: BLE001 every error is an answer to the question of this method
            return [reason(error)]
        found = [reason(answer) for answer in answers if isinstance(answer, Exception)]
        info = answers[-1]
        if isinstance(info, dict) and info.get("cluster_enabled"):
            found.append("Redis is a Cluster: name a single node without cluster-enabled in REDIS_URL")
        return list(dict.fromkeys(found))

    async def _ask(self) -> list[Any]:
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.evalsha(_COMMANDS.sha, len(self._keys), *self._keys)
            pipe.blmove(self._keys[1], self._keys[0], 0.01, "RIGHT", "LEFT")  # type: ignore[arg-type]  # Redis takes parts of a second
            pipe.brpop([self._keys[0]], timeout=0.01)
            pipe.publish(_CHANNEL, b"")
            pipe.info("server", "cluster")
            answers: list[Any] = await pipe.execute(raise_on_error=False)
        return answers
