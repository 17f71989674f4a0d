"""The table of safeguards fits the code: each text that is taken out is still there, once, and each test too."""

import pytest

from tests.faults import safeguards
from tests.faults.safeguards import SAFEGUARDS, Safeguard


@pytest.mark.parametrize("safeguard", SAFEGUARDS, ids=lambda one: one.name)
def test_a_safeguards_text_stands_in_its_file_once(safeguard: Safeguard):
    assert safeguards.is_there(safeguard)


@pytest.mark.parametrize("safeguard", SAFEGUARDS, ids=lambda one: one.name)
def test_a_safeguards_tests_exist(safeguard: Safeguard):
    for test in safeguard.tests:
        file, _, name = test.partition("::")
        assert f"def {name}(" in (safeguards.ROOT / file).read_text()
