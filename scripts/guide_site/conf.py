"""The settings of Sphinx, which turns the staged pages into the site."""

from pathlib import Path
from typing import Any, Final

_HERE: Final = Path(__file__).parent

project = "Task Queue Worker API"
author = "The authors"
html_title = "Task Queue"
extensions = ["myst_parser"]
myst_heading_anchors = 4
# Of addresses that the api serves beside the guide, which Sphinx cannot look for.
myst_url_schemes: dict[str, Any] = {"http": None, "https": None, "mailto": None, "api": "{{path}}"}
# Examples are cut with "…", so some are not JSON or Python any more; they are shown without colours.
suppress_warnings = ["misc.highlighting_failure"]
html_theme = "furo"
html_static_path = [str(_HERE / "theme")]
html_css_files = ["guide.css"]
html_copy_source = False
html_use_index = False
html_show_sphinx = False
html_show_copyright = False
html_permalinks_icon = "#"
html_theme_options: dict[str, Any] = {"navigation_with_keys": False}
