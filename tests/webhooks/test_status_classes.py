"""Answers and their classes."""

import pytest

from app.webhooks import status_classes


@pytest.mark.parametrize(
    ("status", "kind"), [(200, "2xx"), (301, "3xx"), (410, "4xx"), (599, "5xx"), (999, "5xx"), (None, "none")]
)
def test_an_answer_has_a_class(status: int | None, kind: str):
    assert status_classes.of(status) == kind
