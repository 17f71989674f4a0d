"""Ids in paths: a text that is none is answered as an id that nothing has."""

from uuid import UUID

import pytest

from app.core.errors import NotFound
from app.http import path_ids

_READ = path_ids.reader("There is no such thing.")


def test_an_id_is_read():
    text = "01a22f42-47d9-75ee-8c6f-e74dd55b6806"
    assert _READ(text) == UUID(text)


@pytest.mark.parametrize(
    "text", ["", "7", "01a22f42-47d9-75ee-8c6f-e74dd55b680", "01a22f42-47d9-75ee-8c6f-e74dd55b680g"]
)
def test_what_is_no_id_is_unknown(text: str):
    with pytest.raises(NotFound, match="There is no such thing"):
        _READ(text)
