"""The URL by which each role of the database logs in."""

from urllib.parse import quote, urlsplit, urlunsplit

from app.core.config import Settings, get_settings
from app.core.secrets import SecretsFileError, get_secrets
from app.db import timelines


def role_url(role: str, settings: Settings | None = None) -> str:
    """Return the URL by which a role logs in: ``DATABASE_URL_<ROLE>``, else the owner's with the role's password.

    Raises ``SecretsFileError`` when neither is set.
    """
    settings = settings or get_settings()
    # Whoever asks for a URL connects next: from then on, the newest timeline is kept in the folder of the secrets.
    timelines.known().keep_in(settings.secrets_file.parent)
    named: str | None = getattr(settings, f"database_url_{role}", None)
    if named:
        return named
    url = urlsplit(settings.database_url)
    host = url.netloc.rpartition("@")[2]
    password = get_secrets().role_passwords.get(role)
    if password is None:
        message = f"SECRETS_FILE has no password for the role {role}: run scripts/admin bootstrap, then migrate"
        raise SecretsFileError(message)
    netloc = f"{role}:{quote(password)}@{host}"
    return urlunsplit(url._replace(netloc=netloc))
