"""The fields of a form, and its token. What a refused form is answered with is in tests/console/test_app.py."""

from app.console import forms
from app.console.forms import Form


def test_a_token_is_of_one_cookie_and_does_not_tell_it():
    first, second = forms.token("a" * 43), forms.token("b" * 43)
    assert first != second and len(first) == 64
    assert "a" * 43 not in first


def test_fields_are_found_by_name_and_by_prefix():
    form = Form([("a", " 1 "), ("a", "2"), ("field.x", "3"), ("field.y", " 4"), ("empty", "")])
    assert (form.get("a"), form.raw("a"), form.all("a"), form.get("none"), form.all("empty")) == (
        "1",
        " 1 ",
        [" 1 ", "2"],
        "",
        [],
    )
    assert form.under("field.") == {"x": "3", "y": " 4"}
