"""The three books of the guide and their appendices: which page stands where."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Book:
    """A part of the guide, with its pages in reading order: their paths in the repository."""

    title: str
    pages: tuple[str, ...]


BOOKS: Final = (
    Book(
        "Use the API",
        (
            "README.md",
            "docs/quickstart.md",
            "docs/concepts.md",
            "docs/fair-shares.md",
            "docs/glossary.md",
            "docs/guides/report.md",
            "docs/guides/inference.md",
            "docs/guides/import.md",
            "docs/guides/orders.md",
            "docs/guides/nightly.md",
            "docs/recipes.md",
            "docs/http.md",
            "docs/schedules.md",
            "docs/remote-workers.md",
            "docs/errors.md",
            "docs/events.md",
            "docs/webhooks.md",
            "docs/endpoints.md",
            "docs/deliveries.md",
            "docs/http-requests.md",
            "docs/python-client.md",
            "docs/typescript-client.md",
            "docs/agents.md",
            "docs/console.md",
            "docs/console-sign-in.md",
            "docs/versioning.md",
        ),
    ),
    Book(
        "Write task types",
        (
            "docs/task-types.md",
            "docs/pools.md",
            "docs/task-type-ends.md",
            "docs/task-type-loading.md",
            "docs/from-celery-and-rq.md",
        ),
    ),
    Book(
        "Run it",
        (
            "docs/operations.md",
            "docs/settings.md",
            "docs/secrets.md",
            "docs/tenants.md",
            "docs/commands.md",
            "docs/operator-pages.md",
            "docs/postgres-and-redis.md",
            "docs/scaling.md",
            "docs/upgrade.md",
            "docs/backup.md",
            "docs/health.md",
            "docs/metrics.md",
            "docs/failures.md",
            "docs/runbook.md",
            "docs/compose.md",
            "docs/deploy-on-servers.md",
            "docs/security.md",
            "docs/security-credentials.md",
            "docs/security-pages.md",
            "docs/security-isolation.md",
            "docs/security-requests.md",
            "docs/reliability.md",
            "docs/faults.md",
            "docs/troubleshooting.md",
            "docs/faq.md",
        ),
    ),
    Book(
        "Appendices",
        (
            "docs/benchmarks.md",
            "docs/architecture.md",
            "docs/way-of-a-task.md",
            "docs/decisions/README.md",
            "CHANGELOG.md",
        ),
    ),
)
"""A page of docs/ that is in none of them ends the build."""

# Both README files have other names on the site: a folder's first page is its index there.
_NAMES: Final = {
    "README.md": "start.md",
    "CHANGELOG.md": "changelog.md",
    "docs/README.md": "index.md",
    "docs/decisions/README.md": "decisions/index.md",
}


def sources() -> list[str]:
    """Return the paths of all pages in the repository: those of the books, the index, and each decision."""
    docs = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs").rglob("*.md"))
    return ["README.md", "CHANGELOG.md", *docs]


def place(source: str) -> str:
    """Return the path of a page on the site."""
    return _NAMES.get(source) or source.removeprefix("docs/")
