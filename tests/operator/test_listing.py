"""Pages of a list that is already in memory."""

from hypothesis import given
from hypothesis import strategies as st

from app.operator import listing


@given(st.lists(st.integers(0, 99), unique=True), st.integers(1, 7))
def test_the_pages_together_are_the_list(rows: list[int], size: int):
    seen: list[int] = []
    after: str | None = ""
    while after is not None:
        page = listing.cut(rows, str, after, size)
        assert len(page.rows) <= size
        seen += page.rows
        after = page.next_after
    assert seen == rows


def test_a_place_that_is_gone_begins_again():
    assert listing.cut([1, 2, 3], str, "9", 2).rows == [1, 2]


def test_what_is_counted_to_a_bound_says_so():
    assert [listing.counted(number, 1_000) for number in (0, 1_000, 1_001)] == ["0", "1,000", "1,000+"]
