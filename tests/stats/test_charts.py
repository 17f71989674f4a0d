"""Charts as SVG text: well-formed, named, without a style, and in proportion."""

import re
from collections.abc import Callable
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.stats import charts
from app.stats.charts import Column

TEXTS = st.text(st.characters(exclude_categories=["C"]), max_size=20)
COLUMNS = st.lists(st.builds(Column, TEXTS, st.tuples(*[st.integers(0, 10**9)] * 3), st.booleans()), max_size=20)


def _tree(svg: str) -> ET.Element:
    return ET.fromstring(svg)


def _may_be_shown(svg: str, label: str) -> None:
    root = _tree(svg)
    assert (root.get("role"), root.get("aria-label")) == ("img", label)
    for element in root.iter():
        assert element.tag in {"svg", "title", "g", "rect", "circle", "polyline"}
        assert set(element.attrib) <= {
            "class", "viewBox", "preserveAspectRatio", "role", "aria-label", "points", "x", "y", "width", "height",
            "cx", "cy", "r",
        }  # fmt: skip


@given(st.lists(st.none() | st.floats(0, 1e12), max_size=50), TEXTS)
def test_a_sparkline_has_a_place_for_each_value_and_a_gap_for_each_none(values: list[float | None], label: str):
    svg = charts.sparkline(values, label=label)
    _may_be_shown(svg, label)
    lines = [line.get("points", "").split() for line in _tree(svg).iter("polyline")]
    assert all(len(line) > 1 for line in lines)
    dots = len(list(_tree(svg).iter("circle")))
    assert sum(map(len, lines)) + dots == sum(value is not None for value in values)
    runs = re.findall("1+", "".join("0" if value is None else "1" for value in values))
    assert len(lines) + dots == len(runs)
    for point in (point for line in lines for point in line):
        x, y = map(float, point.split(","))
        assert 0 <= x <= 100 and -0.01 <= y <= 20


@given(COLUMNS, TEXTS)
def test_bars_are_as_tall_as_their_counts(columns: list[Column], label: str):
    svg = charts.stacked_bars(columns, ["a", "b", "c"], label=label, mark="limit")
    _may_be_shown(svg, label)
    groups = [group for group in _tree(svg) if group.tag == "g"]
    assert len(groups) == len(columns)
    top = max((sum(column.parts) for column in columns), default=0) or 1
    for column, group in zip(columns, groups, strict=True):
        bars = {one.get("class"): float(one.get("height", "")) for one in group.iter("rect")}
        assert ("chart-mark" in bars) is column.is_marked
        for number, count in enumerate(column.parts, 1):
            name = f"chart-part chart-part-{number}"
            assert (name in bars) is bool(count)
            assert bars.get(name, 0) == pytest.approx(100 * count / top, rel=1e-3)


def test_a_column_tells_its_numbers_and_its_mark():
    svg = charts.stacked_bars(
        [Column("12:00", (3, 0), is_marked=True), Column("12:01", (1, 2))], ["ok", "failed"], label="Ends", mark="Limit"
    )
    titles = [title.text for title in _tree(svg).iter("title")]
    assert titles == ["Ends", "12:00: ok 3, failed 0. Limit", "12:01: ok 1, failed 2"]


@pytest.mark.parametrize(
    "draw",
    [
        lambda text: charts.sparkline([1], label=text),
        lambda text: charts.stacked_bars([Column(text, (1,), is_marked=True)], [text], label=text, mark=text),
    ],
    ids=["sparkline", "bars"],
)
def test_a_text_cannot_leave_its_place(draw: Callable[[str], str]):
    svg = draw("\"'><script>alert(1)</script>&")
    assert "<script" not in svg
    _may_be_shown(svg, "\"'><script>alert(1)</script>&")
