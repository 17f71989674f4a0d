"""The styles and scripts of the console."""

from pathlib import Path
from typing import Final

from app.http.assets import Assets

FOLDER: Final = Path(__file__).with_name("assets")
ASSETS: Final = Assets(FOLDER)
