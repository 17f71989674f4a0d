"""The path parameter of the calls about a tenant's own task types."""

from typing import Annotated, Final, TypeAlias

from fastapi import Path

from app.tasks.definition.types import NAME

_NAME: Final = "The task type's name: lower-case words joined by dots."

TypeName: TypeAlias = Annotated[str, Path(description=_NAME, max_length=64, pattern=f"^{NAME}$")]
