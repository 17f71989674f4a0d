"""The pictures of the docs show every page of the console, and no picture is of a page that is gone."""

import re

from app.console.pages import PAGES
from scripts.pictures.__main__ import FOLDER, MAX_BYTES
from scripts.pictures.pages import DARK, NO_PICTURE, PICTURES
from tests.conftest import ROOT


def test_there_is_a_picture_of_each_page():
    pages = {page.under for page in PAGES if page.method == "GET"}
    assert PICTURES.keys() | NO_PICTURE.keys() == pages
    assert not PICTURES.keys() & NO_PICTURE.keys()


def test_the_committed_pictures_are_those_of_the_list_and_small():
    names = {*PICTURES.values(), *(f"{name}-dark" for name in DARK)}
    assert {file.stem for file in FOLDER.glob("*.png")} == names
    for file in FOLDER.iterdir():
        assert (file.suffix, file.stat().st_size <= MAX_BYTES) == (".png", True), file


def test_the_docs_show_pictures_that_are_there():
    for page in ("README.md", "docs/console.md"):
        text = (ROOT / page).read_text()
        shown = re.findall(r'(?:src(?:set)?="|\]\()((?:docs/)?images/[^")]+)', text)
        assert shown, page
        for path in shown:
            assert ((ROOT / page).parent / path).is_file(), path
