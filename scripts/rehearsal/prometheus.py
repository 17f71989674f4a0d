"""A Prometheus of our own: it evaluates the rules of deploy/prometheus every second."""

import json
import re
import shutil
import subprocess
import time
from pathlib import Path
from typing import Final

from scripts.stack import http_client, parts, ports
from scripts.stack.errors import StackError

_FOLDER: Final = parts.ROOT / "deploy" / "prometheus"
_RULES: Final = "taskqueue-alerts.yml"
_START_SECONDS: Final = 20.0
SHORTENED: Final = "`for` at most 2 s, windows 20 s, scraped and evaluated each second; thresholds as they are"
"""What differs from the rules as they are shipped."""


def find_prometheus() -> str:
    """Return the program. Raises ``StackError`` where it is not installed."""
    program = shutil.which("prometheus")
    if program is None:
        raise StackError("prometheus is not installed: apt-get install prometheus")
    return program


class Prometheus:
    """The process, and the alerts that fire."""

    def __init__(self, program: str, folder: Path, metrics_port: int, running: list[str]) -> None:
        """Write the configuration into ``folder``; ``running`` are the parts of the stack."""
        self._program, self._folder = program, folder
        self._process: subprocess.Popen[bytes] | None = None
        self._url = f"http://127.0.0.1:{ports.free_port()}"
        rules = (_FOLDER / _RULES).read_text()
        (folder / _RULES).write_text(shorten(rules))
        scraped = [
            {
                "job_name": f"taskqueue-{part.rstrip('0123456789')}",
                "static_configs": [{"targets": [f"127.0.0.1:{parts.metrics_port(metrics_port, part)}"]}],
            }
            for part in running
        ]
        # JSON is YAML, too.
        every = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
        configuration = {"global": every, "rule_files": [_RULES], "scrape_configs": scraped}
        (folder / "prometheus.yml").write_text(json.dumps(configuration))

    def start(self) -> None:
        """Start it, and wait until it answers. Raises ``StackError`` if it does not start."""
        address = self._url.removeprefix("http://")
        with (self._folder / "prometheus.log").open("wb") as log:
            self._process = subprocess.Popen(
                [
                    self._program,
                    f"--config.file={self._folder / 'prometheus.yml'}",
                    f"--storage.tsdb.path={self._folder / 'data'}",
                    f"--web.listen-address={address}",
                ],
                stdout=log,
                stderr=log,
            )
        until = time.monotonic() + _START_SECONDS
        while not self._is_ready():
            if time.monotonic() > until or self._process.poll() is not None:
                raise StackError(f"prometheus does not start; its log is {self._folder / 'prometheus.log'}")
            time.sleep(0.1)

    def stop(self) -> None:
        """Stop it, if it runs."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(20)

    def firing(self) -> set[str]:
        """Return the names of the alerts that fire now."""
        _, answer = http_client.call(f"{self._url}/api/v1/alerts", seconds=5)
        alerts = answer["data"]["alerts"]
        return {alert["labels"]["alertname"] for alert in alerts if alert["state"] == "firing"}

    def _is_ready(self) -> bool:
        try:
            return http_client.call(f"{self._url}/-/ready", seconds=2)[0] == 200  # noqa: PLR2004 an HTTP status
        except OSError:
            return False


def shorten(rules: str) -> str:
    """Return the rules with shorter waits, so that a rehearsal takes minutes and not hours."""
    rules = re.sub(r"^(\s+for: )(?:\d+m|[3-9]s|\d\d+s)$", r"\g<1>2s", rules, flags=re.MULTILINE)
    return re.sub(r"\[\d+m\]", "[20s]", rules)
