"""The packages for agents are the usual ones and those of the protocol, in the same versions everywhere."""

import re

from tests.conftest import ROOT


def _pins(name: str) -> dict[str, str]:
    text = (ROOT / name).read_text()
    assert text.count("==") <= text.count("--hash=sha256:"), "every package is pinned with its hashes"
    return dict(re.findall(r"^([\w.-]+)==([\w.]+)", text, re.MULTILINE))


def test_they_add_to_the_usual_ones_and_change_none():
    usual, agents, development = (_pins(f"requirements{name}.txt") for name in ("", "-mcp", "-dev"))
    assert usual.items() <= agents.items()
    assert {"mcp", "mcp-types"} <= agents.keys() - usual.keys()
    assert agents.items() <= development.items()
