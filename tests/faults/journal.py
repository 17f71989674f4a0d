"""A journal of the suite's own in the database, and samples of it: what the product cannot tell of itself."""

import threading
from typing import Final

from tests.faults.owner import Owner

# Committed or not with the change itself: a task that ended twice is in it twice.
_MAKE: Final = (
    "CREATE SCHEMA faults",
    "CREATE TABLE faults.ended (task_id uuid NOT NULL, status text NOT NULL, at timestamptz NOT NULL DEFAULT now())",
    """CREATE FUNCTION faults.note_end() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = faults AS $$
    BEGIN
        INSERT INTO faults.ended (task_id, status) VALUES (NEW.id, NEW.status);
        RETURN NULL;
    END $$""",
    """CREATE TRIGGER faults_end AFTER UPDATE ON public.task FOR EACH ROW
    WHEN (NEW.status IN ('SUCCESS', 'FAILURE', 'REVOKED')) EXECUTE FUNCTION faults.note_end()""",
)

# One statement sees one moment: slots, attempts and limits of it must agree exactly.
_SAMPLE: Final = """
SELECT t.slug, s.running, s.running_limit,
    (SELECT count(*) FROM attempt a WHERE a.tenant_id = s.tenant_id AND a.finished_at IS NULL) AS attempts
FROM tenant_slots s JOIN tenant t ON t.id = s.tenant_id
"""


def make(owner: Owner) -> None:
    """Make the journal."""
    for statement in _MAKE:
        owner.rows(statement)


class Sampler:
    """Looks several times a second whether the slots taken are the attempts that run, and no more than the limit."""

    def __init__(self, url: str) -> None:
        self.looks = 0
        self.violations: list[str] = []
        self._owner = Owner(url, patience=0.0)
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sampler", daemon=True)
        self._thread.start()

    def move(self, url: str) -> None:
        """Look at another server from now on."""
        self._owner.move(url)

    def close(self) -> None:
        """End it."""
        self._ending.set()
        self._thread.join(10)
        self._owner.close()

    def _run(self) -> None:
        while not self._ending.wait(0.2):
            try:
                rows = self._owner.rows(_SAMPLE)
            except Exception:  # noqa: BLE001 Postgres is away: there is nothing to see
                continue
            self.looks += 1
            for row in rows:
                if row["running"] != row["attempts"] or row["running"] > row["running_limit"]:
                    self.violations.append(
                        f"C6 {row['slug']}: {row['attempts']} attempts, {row['running']} slots of {row['running_limit']}"
                    )
