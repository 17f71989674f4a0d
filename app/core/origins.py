"""Origins of web pages, as browsers write them: in lower case, without a default port (pure)."""

import re
from typing import Final

_PORT: Final = r"(:[1-9][0-9]{0,4})?"
_HOST: Final = r"([a-z0-9-]+(\.[a-z0-9-]+)*|\[[0-9a-f:]+\])"
ORIGIN: Final = re.compile(rf"https?://{_HOST}{_PORT}")
"""Any origin."""
PROTECTED: Final = rf"(https://{_HOST}|http://(localhost|127\.0\.0\.1|\[::1\])){_PORT}"
"""The pattern of an origin whose pages nobody on the way can change: of https, or of the browser's own machine."""
URL_REST: Final = r"([/?#][!#-;=?-\[\]_a-z~]*)?"
"""The pattern of what follows the origin in a URL: printable ASCII that means the same to every browser."""
