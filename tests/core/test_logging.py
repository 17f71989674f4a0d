"""Log lines: one JSON object each, without credentials."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest

from app.core.logging import JsonLine, redact, write

KEY = "tq_live_abcdefghijkl_" + "S" * 46
HOOK = "whsec_SSSSSSSSSSSS+/SSSSSSSSSSSS="
JWT = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJTU1NTIn0.SSSSSSSS-SSSS_SS"
URL = "postgresql://owner:SSSSSSSS@host/db"
SECRETS = [KEY, HOOK, JWT, URL]


@pytest.fixture
def lines() -> Iterator[tuple[logging.Logger, io.StringIO]]:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLine())
    logger = logging.getLogger("tests.core.redaction")
    logger.setLevel(logging.INFO)
    logger.propagate = False
    logger.addHandler(handler)
    yield logger, stream
    logger.removeHandler(handler)


def _fail(message: str) -> None:
    raise RuntimeError(message)


def _one(stream: io.StringIO) -> dict[str, Any]:
    (line,) = stream.getvalue().splitlines()
    assert "SSSS" not in line
    assert "eyJ" not in line
    parsed: dict[str, Any] = json.loads(line)
    return parsed


@pytest.mark.parametrize("secret", SECRETS)
def test_a_secret_is_taken_out_wherever_it_is(secret: str, lines: tuple[logging.Logger, io.StringIO]) -> None:
    logger, stream = lines
    extras = {"plain": secret, "nested": {"list": [secret, (secret,)], secret: 1}, "error": ValueError(secret)}
    try:
        _fail(secret)
    except RuntimeError:
        logger.exception("message %s and %r", secret, [secret], extra=extras, stack_info=True)
    parsed = _one(stream)
    assert parsed["level"] == "ERROR"
    assert "RuntimeError" in parsed["traceback"]
    assert "test_a_secret_is_taken_out" in parsed["stack"]


def test_the_public_part_of_a_key_stays() -> None:
    assert redact(f"<{KEY}>") == "<tq_live_abcdefghijkl…>"
    assert redact("tq_api tq_live whsec queued") == "tq_api tq_live whsec queued"


def test_a_line_is_one_object_with_the_extras(lines: tuple[logging.Logger, io.StringIO]) -> None:
    logger, stream = lines
    logger.info("two\nlines", extra={"status": 200, "tenant_id": UUID(int=1), "code": None})
    parsed = _one(stream)
    assert parsed["message"] == "two\nlines"
    assert parsed["status"] == 200
    assert parsed["tenant_id"] == str(UUID(int=1))
    assert parsed["time"].endswith("+00:00")
    assert "code" not in parsed


@pytest.mark.parametrize("facts", [{}, {"code": None}, {"route": 'a "quoted" one', "status": 200, "seconds": 1.5}])
def test_a_line_of_every_request_is_the_same_object_as_one_with_extras(
    facts: dict[str, Any], lines: tuple[logging.Logger, io.StringIO]
) -> None:
    logger, written = lines
    write(logger, 'a "message"', facts)
    logger.info('a "message"', extra=facts)
    one, other = map(json.loads, written.getvalue().splitlines())
    assert one.pop("time")[:16] == other.pop("time")[:16]
    assert one == other
    assert list(one) == list(other)
