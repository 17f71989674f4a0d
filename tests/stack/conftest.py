"""Folders for servers, which also root's servers can enter, and which are left empty."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import log_scan


@pytest.fixture
def scratch() -> Iterator[Path]:
    """Yield a folder; servers left in it are stopped."""
    with log_scan.scratch_folder() as folder:
        yield folder
