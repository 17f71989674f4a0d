"""The size of pages follows how many tasks match."""

from app.operations.page_size import MAX_READ, PageSize


def test_pages_grow_while_hardly_any_task_matches_and_shrink_again():
    size = PageSize(100)
    seen = []
    for matching in (0, 3, 49, 0, 0, 50, 100):
        size.saw(matching)
        seen.append(size.next)
    assert seen == [400, 1_600, MAX_READ, MAX_READ, MAX_READ, 100, 100]
