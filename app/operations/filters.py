"""The common rules of filters that choose many tasks or deliveries."""

from typing import Any, Self

from pydantic import BaseModel, model_validator


class SelectingFilter(BaseModel):
    """Conditions with ``ids`` among them, or ``all``. A subclass declares these members."""

    @model_validator(mode="after")
    def _says_what_it_means(self) -> Self:
        given = self.model_dump(exclude_none=True).keys()
        # An empty filter would mean all tasks. A program that forgets its condition must not cancel them.
        if not given:
            message = "send at least one condition, or all: true"
            raise ValueError(message)
        if "all" in given and len(given) > 1:
            message = "send conditions or all: true, not both"
            raise ValueError(message)
        return self

    def stored(self) -> dict[str, Any]:
        """Return the filter as it is stored: without members that are null, and each id once."""
        chosen = self.model_dump(mode="json", exclude_none=True)
        if "ids" in chosen:
            # Sorted, so that the same ids in another order have the same fingerprint.
            chosen["ids"] = sorted(set(chosen["ids"]))
        return chosen
