"""Words of the house: a class name means one thing, and a docstring begins with what its subject does."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT

MODULES = sorted((ROOT / "app").rglob("*.py"))

# The table, and the body of the API that shows one row of it.
SAME_THING = {
    "Endpoint": {"models/endpoint.py", "webhooks/endpoints/schemas.py"},
    "Attempt": {"models/task.py", "tasks/schemas.py"},
    "Event": {"models/event.py", "events/schemas.py"},
    "Member": {"models/account.py", "accounts/schemas.py"},
    "PortalLink": {"models/account.py", "accounts/portal_schemas.py"},
}
"""Class names that occur twice for one and the same thing, with the only files that may define them."""

RIDDLES = re.compile(
    r"\b(barred|mend(s|ed|ing)?|anew|whoever|sees to it|(is|are) told|what is no|hold no more|credentials do not hold)\b",
    re.IGNORECASE,
)
"""Words and turns that a reader whose second language is English has to look up, or reads twice."""

FOLDERS = (("docs", "*.md"), ("app", "*.py"), ("scripts/sdk_overlay", "*.py"), ("migrations", "*.sql"))
TEXTS = [
    *(path for folder, pattern in FOLDERS for path in sorted((ROOT / folder).rglob(pattern))),
    *(ROOT / name for name in ("README.md", "CHANGELOG.md", "openapi.yaml")),
]

OPENINGS = {"What", "Who", "Whose", "Of", "Where", "How", "When", "Whether"}


def _classes() -> dict[str, list[Path]]:
    found = defaultdict(list)
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef):
                # A private class is read like a public one, so _Refused and Refused are the same name.
                found[node.name.lstrip("_")].append(path)
    return found


def _opening_words(source: str) -> Iterator[tuple[str, int]]:
    """Yield the first word of each docstring with its line, also of those below an attribute."""
    for node in ast.walk(ast.parse(source)):
        body = getattr(node, "body", [])
        # The body of a lambda is an expression, not a list.
        for statement in body if isinstance(body, list) else []:
            if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
                text = statement.value.value
                if isinstance(text, str) and text.split():
                    yield text.split()[0].rstrip(",:"), statement.lineno


def test_no_class_name_has_two_meanings():
    twice = {}
    for name, paths in _classes().items():
        files = {str(path.relative_to(ROOT / "app")) for path in paths}
        if len(files) > 1 and not files <= SAME_THING.get(name, set()):
            twice[name] = files
    assert twice == {}


def test_each_exception_for_a_class_name_is_needed():
    classes = _classes()
    for name, files in SAME_THING.items():
        assert files <= {str(path.relative_to(ROOT / "app")) for path in classes[name]}, name


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT / "app")))
def test_no_docstring_opens_with_a_riddle(path: Path):
    assert [(word, line) for word, line in _opening_words(path.read_text()) if word in OPENINGS] == []


def test_no_page_message_or_comment_has_a_word_that_must_be_looked_up():
    found = {
        f"{path.relative_to(ROOT)}:{number}": riddle[0]
        for path in TEXTS
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if (riddle := RIDDLES.search(line))
    }
    assert found == {}


def test_a_riddle_would_be_found():
    assert RIDDLES.search("Whoever asks is told.") and not RIDDLES.search("The client recommends amended holders.")
    source = '"""Who calls."""\nclass A:\n    """Return x."""\n    b: int\n    """Of the client."""\n'
    assert list(_opening_words(source)) == [("Who", 1), ("Return", 3), ("Of", 5)]
