"""Check the values of a form with the model of the API's body."""

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from app.core import validation_errors
from app.core.errors import InvalidRequest

Model = TypeVar("Model", bound=BaseModel)


def checked(model: type[Model], body: Mapping[str, Any]) -> Model:
    """Return the body as its model. Raises ``InvalidRequest`` with a fault for each place that is wrong."""
    try:
        return model.model_validate(body)
    except ValidationError as error:
        faults = [
            {
                "pointer": validation_errors.pointer(*fault["loc"]),
                "detail": validation_errors.detail(fault, is_by_us=True),
            }
            for fault in error.errors()
        ]
        raise InvalidRequest("Correct each place that is named below.", errors=faults) from None
