"""The files of the console: pinned, cached for long, and served under the hash of their content."""

from hashlib import sha256

import pytest

from app.console import assets

HTMX = "a0abb04f2f45a1f89d1d4844023245537e5e6014c87b144553e0607b4cc32130"
"""SHA-256 of ``dist/htmx.min.js`` in the package htmx.org 4.0.1."""


def test_htmx_is_the_file_of_its_package_with_its_licence():
    assert sha256((assets.FOLDER / "htmx.min.js").read_bytes()).hexdigest() == HTMX
    assert "Zero-Clause BSD" in (assets.FOLDER / "htmx.LICENSE").read_text()


def test_our_own_script_stays_small_and_evaluates_nothing():
    text = (assets.FOLDER / "console.js").read_text()
    assert text.count("\n") <= 1_000
    for word in ("eval(", "new Function", "innerHTML", "insertAdjacentHTML", "document.write", "http://", "https://"):
        assert word not in text


@pytest.mark.parametrize("file", ["console.css", "console.js", "htmx.min.js", "icon.svg"])
def test_a_file_is_kept_for_a_year_under_its_own_hash_and_not_at_all_under_another(file: str):
    name = assets.ASSETS.hashed(file)
    found = assets.ASSETS.respond(name)
    assert found is not None and found.body == (assets.FOLDER / file).read_bytes()
    assert found.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    stem, _, rest = name.rpartition("-")
    other = assets.ASSETS.respond(f"{stem}-{'0' * 12}{rest[12:]}")
    assert other is not None and (other.body, other.headers["Cache-Control"]) == (found.body, "no-store")


@pytest.mark.parametrize(
    "name", ["", "x", "../app-000000000000.js", "htmx-000000000000.LICENSE", "none-000000000000.js"]
)
def test_nothing_else_is_served(name: str):
    assert assets.ASSETS.respond(name) is None
