"""What is said of a fault repeats nothing of the input, whoever wrote the model."""

import re
import uuid
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from typing import Annotated, Any, Literal, get_args

import pytest
from pydantic import AnyUrl, AwareDatetime, BaseModel, Field, ValidationError, field_validator
from pydantic_core import PydanticCustomError
from pydantic_core._pydantic_core import list_all_errors
from pydantic_core.core_schema import ErrorType

from app.core import validation_errors

SECRET = "4111-1111-1111-1111"
# What a message may say, for it is the schema's.
OF_THE_SCHEMA = {
    "class", "class_name", "decimal_places", "discriminator", "expected", "expected_plural", "expected_schemes",
    "expected_version", "field_type", "ge", "gt", "le", "lt", "max_digits", "max_length", "method_name", "min_length",
    "multiple_of", "pattern", "tz_expected", "whole_digits",
}  # fmt: skip
# How much there was, and not what.
COUNTED = {"actual_length"}


class Cat(BaseModel):
    kind: Literal["cat"]


class Dog(BaseModel):
    kind: Literal["dog"]


class Size(StrEnum):
    SMALL = "small"


class Operators(BaseModel):
    """A model as operators write them."""

    tagged: Annotated[Cat | Dog, Field(discriminator="kind")] | None = None
    id: uuid.UUID | None = None
    day: date | None = None
    moment: datetime | None = None
    aware: AwareDatetime | None = None
    hour: time | None = None
    length: timedelta | None = None
    size: Size | None = None
    link: AnyUrl | None = None
    blob: Annotated[bytes, Field(max_length=3)] | None = None
    told: str | None = None
    asserted: str | None = None
    custom: str | None = None
    number: Annotated[int, Field(ge=1, le=5)] | None = None
    code: Annotated[str, Field(pattern="^[a-z]+$")] | None = None

    @field_validator("told")
    @classmethod
    def _told(cls, value: str) -> str:
        raise ValueError(f"{value} is no card of ours")

    @field_validator("asserted")
    @classmethod
    def _asserted(cls, value: str) -> str:
        raise AssertionError(f"{value} again")

    @field_validator("custom")
    @classmethod
    def _custom(cls, value: str) -> str:
        raise PydanticCustomError("no_card", "no card: {card}", {"card": value})


@pytest.mark.parametrize(
    ("payload", "said"),
    [
        ({"tagged": {"kind": SECRET}}, "Input is of an unknown kind"),
        ({"id": SECRET}, "Input should be a valid UUID"),
        ({"day": SECRET}, "Input should be a date, such as 2027-01-31"),
        ({"moment": SECRET}, "Input should be a date-time with its UTC offset, such as 2027-01-31T09:00:00Z"),
        (
            {"aware": "2027-01-01T00:00:00"},
            "Input should be a date-time with its UTC offset, such as 2027-01-31T09:00:00Z",
        ),
        ({"hour": SECRET}, "Input should be in a valid time format"),
        ({"length": SECRET}, "Input should be a valid duration"),
        ({"size": SECRET}, "Input should be 'small'"),
        ({"link": SECRET}, "Input should be a valid URL"),
        ({"blob": SECRET}, "Data should have at most 3 bytes"),
        ({"told": SECRET}, "Input is not what this field takes"),
        ({"asserted": SECRET}, "Input is not what this field takes"),
        ({"custom": SECRET}, "Input is not what this field takes"),
        ({"number": 4111}, "Input should be less than or equal to 5"),
        ({"code": SECRET}, "String should match pattern '^[a-z]+$'"),
    ],
)
def test_a_model_of_an_operator_tells_the_rule_and_not_the_input(payload: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Operators.model_validate(payload)
    [told] = {validation_errors.detail(fault) for fault in refused.value.errors()}
    assert told == said
    assert "4111" not in told


def test_a_validator_of_ours_speaks_in_its_own_words() -> None:
    fault = {"type": "value_error", "msg": "Value error, give one of them"}
    assert validation_errors.detail(fault, is_by_us=True) == "give one of them"
    assert (
        validation_errors.detail({"type": "", "msg": "It has more than 20 faults"}, is_by_us=True)
        == "It has more than 20 faults"
    )
    assert (
        validation_errors.detail({"type": "no_such_type", "msg": SECRET}, is_by_us=True)
        == "Input is not what this field takes"
    )


def test_every_message_that_is_passed_on_has_nothing_but_the_schema_in_it() -> None:
    known = {each["type"] for each in list_all_errors()}
    assert known == set(get_args(ErrorType))
    for each in list_all_errors():
        names = {
            name
            for template in (each["message_template_python"], each.get("message_template_json") or "")
            for name in re.findall(r"{(\w+)}", template)
        }
        said = validation_errors.detail({"type": each["type"], "msg": "as pydantic has it"})
        if said == "as pydantic has it":
            assert names <= OF_THE_SCHEMA | COUNTED, each["type"]
        elif each["type"] not in validation_errors._IN_OUR_WORDS:
            assert names - OF_THE_SCHEMA - COUNTED, f"{each['type']} could be passed on"
