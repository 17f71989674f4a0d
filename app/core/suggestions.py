"""Guess which known name somebody meant. The guess names what is known, and never repeats what was sent."""

from collections.abc import Iterable
from typing import Final

_SEPARATORS: Final = str.maketrans("", "", "_-. ")
_MAX_LENGTH: Final = 64


def closest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that differs from ``name`` by at most one typing error, or is its dotted form.

    A letter too many, one missing, a wrong one, or two that changed places are one error; case and separators are none.
    The cost is linear in the length of the names, because anybody may send any number of unknown ones.
    """
    wanted = _plain(name[: _MAX_LENGTH + 1])
    if not wanted or len(wanted) > _MAX_LENGTH:
        return None
    # Sorted, so that the same mistake gets the same suggestion in every process.
    names = sorted(known)
    plain = [_plain(one) for one in names]
    by_part = [_plain(one.rpartition(".")[2]) for one in names]
    for meant in (plain, by_part):
        if wanted in meant:
            return names[meant.index(wanted)]
    return next((one for one, text in zip(names, plain, strict=True) if is_one_error_away(wanted, text)), None)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return `` Did you mean …?``, or nothing if no known name is close."""
    meant = closest(name, known)
    return f" Did you mean {meant}?" if meant else ""


def is_one_error_away(one: str, other: str) -> bool:
    """Return whether one typing error leads from one text to the other."""
    shorter, longer = sorted((one, other), key=len)
    if len(longer) - len(shorter) > 1 or len(shorter) < 2:  # noqa: PLR2004 any letter is close to any other
        return False
    start = next(
        (place for place, pair in enumerate(zip(shorter, longer, strict=False)) if pair[0] != pair[1]), len(shorter)
    )
    rest, more = shorter[start:], longer[start:]
    if len(shorter) < len(longer):
        return rest == more[1:]
    return rest[1:] == more[1:] or (rest[:2] == more[:2][::-1] and rest[2:] == more[2:])


def _plain(name: str) -> str:
    return name.lower().translate(_SEPARATORS)
