"""One request to pages with a session, of any caller. The console and the operator's pages add their callers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Final
from uuid import UUID

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from app.console import forms, rendering
from app.console.cookies import CookieRules
from app.console.forms import Form
from app.console.pace import Pace
from app.core import ids
from app.core.errors import NotFound
from app.identity.console_cookies import SESSION_SECONDS

THEMES: Final = ("system", "light", "dark")


@dataclass(slots=True)
class WebVisit:
    """A request and its cookie. ``base`` is the path under which all the pages are."""

    templates: ClassVar[tuple[Path, ...]] = (rendering.FOLDER,)
    theme_cookie: ClassVar[str] = "console-theme"

    request: Request
    base: str
    rules: CookieRules
    cookie: str
    """The value of the cookie: the secret of a session, or of a visitor who has not signed in."""
    parameters: Mapping[str, str] = field(default_factory=dict)
    """The ids that the path names."""
    pace: Pace = field(default_factory=Pace)
    """The gap between the refreshes of live pages: that of the route."""
    changed_cookie: tuple[str, int | None] | None = None
    """A new value of the cookie and its life, for the answer."""

    @property
    def session_id(self) -> UUID | None:
        """Return the id of the session; None for a visitor."""
        raise NotImplementedError

    @property
    def paced_tenant_id(self) -> UUID | None:
        """Return the tenant whose share of the refreshes a live page uses; None for pages that are no tenant's."""
        return None

    def id_of(self, name: str, what: str) -> UUID:
        """Return the id that the path names. Raises ``NotFound`` for a text that is no id."""
        found = ids.read(self.parameters[name])
        if found is None:
            raise NotFound(f"There is no such {what}.")
        return found

    async def form(self, *, limit: int = forms.SMALL) -> Form:
        """Return the form of the request. Raises like ``forms.read``."""
        return await forms.read(self.request, self.cookie, limit=limit)

    def url(self, path: str) -> str:
        """Return the URL of a page."""
        return f"{self.base}{path}"

    def go(self, path: str) -> Response:
        """Return the redirect that follows a form."""
        # 303, so that the browser asks by GET: reloading the page does not send the form again.
        return RedirectResponse(self.url(path), 303)

    def page(self, template: str, status: int = 200, **values: Any) -> Response:
        """Return a page."""
        return rendering.page(template, self.values() | values, status, folders=self.templates)

    def sign_in(self, cookie: str, seconds: int = SESSION_SECONDS) -> None:
        """Let the answer give the browser a session of so many seconds."""
        self.changed_cookie = cookie, seconds

    @property
    def theme(self) -> str:
        """Return the colours that the person has chosen."""
        chosen = self.request.cookies.get(self.theme_cookie, "")
        # The script of the page writes this cookie, so its value may be anything.
        return chosen if chosen in THEMES else "system"

    def values(self) -> dict[str, Any]:
        """Return the values that the templates of every page use."""
        return {
            "base": self.base,
            "path": self.request.scope["path"].removeprefix(self.base) or "/",
            "csrf": forms.token(self.cookie),
            "theme": self.theme,
            "theme_cookie": self.theme_cookie,
            "is_signed_in": self.session_id is not None,
        }
