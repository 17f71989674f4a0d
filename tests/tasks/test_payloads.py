"""A payload is read in an attempt as it was at its submit."""

import json
import math
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from pydantic import AnyUrl, BaseModel, ConfigDict, Field, RootModel, Strict

from app.tasks.definition import payloads
from tests.declared import task_type


class Colour(Enum):
    RED = "red"


KINDS = {
    "date": (date, '"2027-01-01"', date(2027, 1, 1)),
    "datetime": (datetime, '"2027-01-01T10:00:00Z"', datetime(2027, 1, 1, 10, tzinfo=UTC)),
    "timedelta": (timedelta, '"PT90S"', timedelta(seconds=90)),
    "uuid": (UUID, '"019ab2c4-7c1e-7d3a-9b50-5f0c6b1f2a10"', UUID("019ab2c4-7c1e-7d3a-9b50-5f0c6b1f2a10")),
    "enum": (Colour, '"red"', Colour.RED),
    "decimal": (Decimal, '"1.10"', Decimal("1.10")),
    "bytes": (bytes, '"abc"', b"abc"),
    "tuple": (tuple[int, str], '[1,"a"]', (1, "a")),
    "set": (set[int], "[1,2]", {1, 2}),
    "frozenset": (frozenset[int], "[1,2]", frozenset({1, 2})),
    "url": (AnyUrl, '"https://a.example/"', AnyUrl("https://a.example/")),
    "annotated date": (Annotated[date, Strict()], '"2027-01-01"', date(2027, 1, 1)),
    "literal": (Literal[1, "a"], '"a"', "a"),
    "float of an integer": (float, "1", 1.0),
    "large float": (float, "1e308", 1e308),
    "any float": (Any, "1e22", 1e22),
}


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize(("kind", "raw", "value"), KINDS.values(), ids=KINDS.keys())
def test_what_a_submit_takes_an_attempt_is_given(kind: Any, raw: str, value: Any, strict: bool) -> None:
    class Model(BaseModel):
        model_config = ConfigDict(strict=strict)
        value: kind

    read = payloads.read(task_type(Model), f'{{"value":{raw}}}').value
    assert (read, type(read)) == (value, type(value))


def test_floats_stay_floats_and_keep_their_sign() -> None:
    [large, nothing] = payloads.read(task_type(RootModel[list[Any]]), "[1e+308,-0.0]").root
    assert (type(large), large) == (float, 1e308)
    assert math.copysign(1, nothing) == -1


class Card(BaseModel):
    model_config = ConfigDict(extra="forbid")
    number: Annotated[int, Field(ge=0)]
    day: date | None = None


def test_what_does_not_fit_is_told_without_the_input() -> None:
    with pytest.raises(payloads.UnusablePayload) as refused:
        payloads.read(task_type(Card), '{"number":"4111-1111","day":"4111-1111"}')
    assert refused.value.faults == [
        {"pointer": "#/payload/number", "detail": "Input should be a valid integer"},
        {"pointer": "#/payload/day", "detail": "Input should be a date, such as 2027-01-31"},
    ]
    assert str(refused.value) == (
        "#/payload/number: Input should be a valid integer; #/payload/day: Input should be a date, such as 2027-01-31"
    )


def test_many_faults_are_counted_and_not_described() -> None:
    payload = json.dumps({str(number): 1 for number in range(50_000)})
    with pytest.raises(payloads.UnusablePayload) as refused:
        payloads.read(task_type(Card), payload)
    assert refused.value.faults == [{"pointer": "#/payload", "detail": "It has more than 20 faults"}]
