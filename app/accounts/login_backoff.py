"""Slow down logins that guess the password of one account. The limit for each address is in ``address_limit``."""

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import Final

from app.core.errors import TooManyAttempts

_FREE_ATTEMPTS: Final = 5
# Seconds. Bounded, because an attacker could otherwise lock the owner of an account out for days.
_MAX_WAIT: Final = 300.0
_MAX_ACCOUNTS: Final = 20_000
# Seconds without an attempt after which the earlier ones no longer count.
_FORGET_AFTER: Final = 3_600.0


@dataclass(slots=True)
class _Record:
    """The failed attempts of one account in a row, and the moment (monotonic) from which the next one is allowed."""

    attempts: int = 0
    last_at: float = 0.0
    next_at: float = 0.0


class LoginBackoff:
    """Delays logins to one account: five attempts are free, then 1, 2, 4 … 300 s must pass before the next.

    It counts for this process. An address without a member is treated in the same way, so that the delay does not
    tell whether a member exists. Only a digest of the address is kept in memory.
    """

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        """``clock`` returns seconds."""
        self._clock = clock
        self._records: OrderedDict[bytes, _Record] = OrderedDict()

    def enter(self, email: str) -> None:
        """Count an attempt. Raises ``TooManyAttempts`` when the account must wait."""
        # Counted before the password is checked: many attempts at the same time must count as many.
        now, name = self._clock(), _digest(email)
        record = self._records.pop(name, None) or _Record()
        self._records[name] = record
        if now < record.next_at:
            raise TooManyAttempts(record.next_at - now)
        if now - record.last_at > _FORGET_AFTER:
            record.attempts = 0
        record.attempts += 1
        record.last_at = now
        if record.attempts >= _FREE_ATTEMPTS:
            # The exponent is capped, because 2.0 ** 1024 overflows.
            record.next_at = now + min(2.0 ** min(record.attempts - _FREE_ATTEMPTS, 16), _MAX_WAIT)
        # The account whose last attempt is the oldest is forgotten, so that many addresses cannot fill the memory.
        if len(self._records) > _MAX_ACCOUNTS:
            self._records.popitem(last=False)

    def succeed(self, email: str) -> None:
        """Forget the attempts of an account, because its password was right."""
        self._records.pop(_digest(email), None)


def _digest(email: str) -> bytes:
    return hashlib.blake2b(email.encode(), digest_size=16).digest()
