"""Who leads, and the last rounds of each process."""

import re

from tests.conftest import Stack, wait_until
from tests.operator.conftest import OperatorBrowser


def test_the_dispatcher_leads_and_this_process_shows_itself(operator: OperatorBrowser, stack: Stack):
    def rows() -> dict[str, str]:
        page = operator.get("/processes").text
        found = re.findall(r"(<tr data-row.*?<td class=\"what\">(\w+)</td>.*?</tr>)", page, re.DOTALL)
        return {kind: row for row, kind in found}

    wait_until(lambda: {"dispatcher", "operator"} <= rows().keys(), "both heartbeats")
    # A test before this one may have stood in the dispatcher's way: it leads again at its next attempt.
    wait_until(lambda: "Leads" in rows()["dispatcher"], "the lead")
    found = rows()
    assert f"pid {stack.processes['dispatcher'].pid}" in found["dispatcher"]
    assert "Alive" in found["operator"] and f"pid {stack.processes['operator'].pid}" in found["operator"]
    assert "the longest of" in found["dispatcher"]
