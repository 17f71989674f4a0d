"""JSON as a tree: every number exact, every text escaped, nothing too large."""

import json
import re

from hypothesis import given
from hypothesis import strategies as st

from app.console import json_view

_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)


def test_numbers_are_shown_digit_by_digit():
    text = str(json_view.tree('{"id": 12345678901234567890123, "rate": 0.1000000000000000055, "small": 1e-400}'))
    for digits in ("12345678901234567890123", "0.1000000000000000055", "1e-400"):
        assert f">{digits}<" in text


def test_a_text_of_a_tenant_is_never_markup():
    text = str(json_view.tree(json.dumps({"<script>": "</pre><img src=x onerror=1>", "a": ['"><b>']})))
    assert not re.search(r"<(script|img|b)\b", text)
    assert "&lt;script&gt;" in text


@given(_VALUES)
def test_the_tree_has_each_leaf_of_the_document(value: object):
    plain = re.sub(r"<[^>]+>", "", str(json_view.tree(json.dumps(value))))
    assert plain.count("null") >= json.dumps(value).count("null") - json.dumps(value).count('null"')


def test_a_large_or_deep_document_is_shown_as_text():
    for text in (json.dumps(list(range(json_view.MAX_NODES + 1))), "[" * 100 + "]" * 100, "no json <b>"):
        shown = str(json_view.tree(text))
        assert shown.startswith('<pre class="json"') and "<b>" not in shown


def test_deep_parts_begin_folded():
    shown = str(json_view.tree('{"a": {"b": {"c": {"d": 1}}}}'))
    assert (shown.count("<details open>"), shown.count("<details>")) == (3, 1)
