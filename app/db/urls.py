"""The URL with which each role of the database logs in."""

from urllib.parse import quote, urlsplit, urlunsplit

from app.core import secrets
from app.core.config import Settings, get_settings
from app.core.secrets import SecretsFileError
from app.db import timelines


def role_url(role: str, settings: Settings | None = None) -> str:
    """Return the URL of a role: ``DATABASE_URL_<ROLE>`` if set, else the owner's URL with the role's name and password.

    Raises ``SecretsFileError`` if the secrets file has no password for the role.
    """
    settings = settings or get_settings()
    # Every process calls this before it connects, so this is the place to set the file of the known timelines.
    timelines.known().keep_in(settings.secrets_file.parent)
    named: str | None = getattr(settings, f"database_url_{role}", None)
    if named:
        return named
    url = urlsplit(settings.database_url)
    host = url.netloc.rpartition("@")[2]
    password = secrets.role_password(role)
    if password is None:
        message = f"SECRETS_FILE has no password for the role {role}: run scripts/admin bootstrap, then migrate"
        raise SecretsFileError(message)
    netloc = f"{role}:{quote(password)}@{host}"
    return urlunsplit(url._replace(netloc=netloc))
