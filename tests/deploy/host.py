"""A host in a folder: Debian's servers and the service, set up by the page's own commands, without root and systemd.

The page and the files of deploy/host are taken as they are, but for paths, which are moved into the folder, and ports. Programs that need
root or a running systemd are replaced by small ones: ``systemctl`` writes down what it should start, and the tests start it by what the
units say.
"""

import os
import re
import shutil
import signal
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from scripts.stack import ports
from tests.conftest import ROOT, wait_until
from tests.deploy import accounts, units

POSTGRES = Path("/usr/lib/postgresql/15/bin")
_SYSTEM = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_MOVED = re.compile(
    r"(?<![\w./])/(?=(?:etc/(?:taskqueue|systemd|redis|postgresql|nginx)|opt/taskqueue|var/lib|usr/local/sbin)\b)"
)
_PORTS = ("5432", "6379", "8000", "8001", "443", "80")
_COPIED = ("app", "migrations", "scripts", "deploy", "docs")
_FILES = ("alembic.ini", "openapi.yaml", "pyproject.toml", "LICENSE", "README.md", "CHANGELOG.md", "requirements.txt")
_SHIMS = {
    # Users of the host have numbers, and names only in this table.
    "number": 'case "$1" in\n{numbers}\nesac\n',
    # -o and -g name the file's owner.
    "install": """
        for word in "$@"; do
            shift
            case "$last" in
                -o | -g) if named=$(number "$word") && [ -n "$named" ]; then set -- "$@" "$last" "$named"; fi ;;
                *) case "$word" in -o | -g) ;; *) set -- "$@" "$word" ;; esac ;;
            esac
            last=$word
        done
        exec /usr/bin/install "$@"
    """,
    # runuser -u NAME -- COMMAND
    "runuser": """
        named=$(number "$2")
        shift 3
        if [ -n "$named" ]; then exec setpriv --reuid "$named" --regid "$named" --clear-groups "$@"; fi
        exec "$@"
    """,
    # systemctl show --property MainPID --value NAME; everything else is done after the block.
    "systemctl": 'if [ "$1" = show ]; then cat "$HOST/run/$5.pid"; else printf "%s\\n" "$*" >>"$HOST/systemctl"; fi\n',
    "nginx": 'exec runuser -u www-data -- /usr/sbin/nginx -e stderr -c "$HOST/nginx.conf" "$@"\n',
}


def missing() -> list[str]:
    """Return the packages of Debian that a host needs and this machine does not have."""
    programs = {
        "postgresql-15": POSTGRES / "postgres",
        "redis-server": Path("/usr/bin/redis-server"),
        "nginx": Path("/usr/sbin/nginx"),
    }
    return [package for package, program in programs.items() if not program.exists()]


@dataclass
class Host:
    """The folder, and what runs in it."""

    folder: Path
    ports: dict[str, int]
    running: "dict[str, subprocess.Popen[bytes]]" = field(default_factory=dict)

    def path(self, path: str) -> Path:
        """Return where a path of the host is."""
        return self.folder / path.removeprefix("/")

    def moved(self, text: str) -> str:
        """Return a text of the page, or of deploy/host, with this host's paths and ports."""
        text = _MOVED.sub(f"{self.folder}/", text)
        # Not every machine has IPv6.
        text = re.sub(r"^ *listen \[::\].*\n", "", text, flags=re.MULTILINE)
        text = re.sub(r"(listen )(443|80)\b", lambda found: f"{found[1]}{self.ports[found[2]]}", text)
        return re.sub(r"\b(5432|6379|8000|8001)\b", lambda found: str(self.ports[found[1]]), text)

    def shell(self, script: str) -> str:
        """Run a block of the page; return what it printed. Afterwards the services run that it has started."""
        requests = self.folder / "systemctl"
        requests.unlink(missing_ok=True)
        environment = {
            "PATH": f"{self.folder / 'bin'}:{self.path('/usr/local/sbin')}:{_SYSTEM}",
            "HOST": str(self.folder),
            "PGHOST": str(self.path("/run")), "PGPORT": str(self.ports["5432"]), "PGUSER": "postgres",
        }  # fmt: skip
        done = subprocess.run(
            ["/bin/bash", "-euc", self.moved(script)], cwd=self.path("/opt/taskqueue"), env=environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout
        for line in requests.read_text().splitlines() if requests.exists() else []:
            verb, *names = (word for word in line.split() if not word.startswith("--"))
            self._act(verb, names)
        return done.stdout

    def _act(self, verb: str, names: list[str]) -> None:
        assert verb in {"daemon-reload", "enable", "restart", "reload"}, verb
        for name in names:
            if verb == "restart":
                self.stop(name)
            if name not in self.running:
                self._start(name)
            elif verb == "reload":
                self.running[name].send_signal(signal.SIGHUP)

    def _start(self, name: str) -> None:
        if name == "postgresql":
            folder, configuration = self.path("/var/lib/postgresql/15/main"), self.path("/etc/postgresql/15/main")
            command = [
                str(POSTGRES / "postgres"),
                "-D",
                str(folder),
                "-c",
                f"config_file={configuration / 'postgresql.conf'}",
            ]
            self._spawn(name, "postgres", command, {})
            wait_until(lambda: not ports.is_free(self.ports["5432"]), "Postgres")
        elif name == "redis-server":
            self._spawn(
                name,
                "redis",
                ["/usr/bin/redis-server", str(self.path("/etc/redis/redis.conf")), "--daemonize", "no"],
                {},
            )
            wait_until(lambda: not ports.is_free(self.ports["6379"]), "Redis")
        elif name == "nginx":
            command = ["/usr/sbin/nginx", "-e", "stderr", "-c", str(self.folder / "nginx.conf"), "-g", "daemon off;"]
            self._spawn(name, "www-data", command, {})
            wait_until(lambda: not ports.is_free(self.ports["443"]), "nginx")
        elif not name.endswith(".target"):
            self._start_unit(name)

    def unit(self, name: str) -> units.Unit:
        """Return a unit as it is installed."""
        return units.load(self.path("/etc/systemd/system"), name, self.path(f"/run/credentials/{name}.service"))

    def environment(self, unit: units.Unit) -> dict[str, str]:
        """Return the environment that systemd gives a unit."""
        user = unit.one("User")
        manager = {
            "PATH": _SYSTEM,
            "HOME": str(self.path(f"/var/lib/{user}")),
            "USER": user,
            "LOGNAME": user,
            "LANG": "C.UTF-8",
        }
        return unit.environment(manager)

    def _start_unit(self, name: str) -> None:
        unit = self.unit(name)
        user = unit.one("User")
        for state in unit.words("StateDirectory"):
            folder = self.path(f"/var/lib/{state}")
            folder.mkdir(exist_ok=True)
            accounts.own(folder, user, int(unit.one("StateDirectoryMode"), 8))
        self._give_credentials(unit, self.path(f"/run/credentials/{name}.service"))
        self._spawn(name, user, unit.command(), self.environment(unit))

    def _give_credentials(self, unit: units.Unit, folder: Path) -> None:
        if not unit.words("LoadCredential"):
            return
        folder.mkdir(parents=True)
        for word in unit.words("LoadCredential"):
            file, _, source = word.partition(":")
            shutil.copy(source, folder / file)
            accounts.own(folder / file, unit.one("User"), 0o400)
        accounts.own(folder, unit.one("User"), 0o500)

    def _spawn(self, name: str, user: str, command: list[str], environment: dict[str, str]) -> None:
        with (self.path("/var/log") / f"{name}.log").open("ab") as log:
            self.running[name] = process = subprocess.Popen(
                command, cwd="/", env=environment or {"PATH": _SYSTEM, "LANG": "C.UTF-8"}, stdin=subprocess.DEVNULL, stdout=log,
                stderr=subprocess.STDOUT, start_new_session=True, umask=0o077, **accounts.become(user),
            )  # fmt: skip
        self.path(f"/run/{name}.pid").write_text(f"{process.pid}\n")

    def stop(self, name: str) -> None:
        """Stop a service as systemd does, and wait for it."""
        if (process := self.running.pop(name, None)) is None:
            return
        # SIGINT is Debian's "fast": Postgres does not wait for its clients.
        process.send_signal(signal.SIGINT if name == "postgresql" else signal.SIGTERM)
        try:
            process.wait(60)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def make(folder: Path) -> Host:
    """Make what Debian's packages and the page's first step leave: programs, folders, users, an empty cluster, a checkout."""
    chosen: list[int] = []
    while len(chosen) < len(_PORTS):
        if (port := ports.free_port()) not in chosen:
            chosen.append(port)
    host = Host(folder, dict(zip(_PORTS, chosen, strict=True)))
    for name in (
        "bin", "run", "var/log", "var/lib/redis", "var/lib/postgresql/15", "usr/local/sbin", "etc/systemd/system", "etc/redis",
        "etc/postgresql/15/main/conf.d", "etc/nginx/sites-available", "etc/nginx/sites-enabled", "etc/nginx/tls", "var/lib/nginx",
    ):  # fmt: skip
        host.path(name).mkdir(parents=True)
    for path in (folder / "var", folder / "etc"):
        for inner in (path, *path.rglob("*")):
            inner.chmod(0o755)
    known = [(name, accounts.uid(name)) for name in accounts.NAMES]
    numbers = "\n".join(f"{name}) echo {'' if number is None else number} ;;" for name, number in known)
    for name, text in _SHIMS.items():
        (folder / "bin" / name).write_text(f"#!/bin/sh\n{text.replace('{numbers}', numbers)}")
        (folder / "bin" / name).chmod(0o755)
    _check_out(host)
    _make_servers(host)
    return host


def _check_out(host: Host) -> None:
    checkout = host.path("/opt/taskqueue")
    for name in _COPIED:
        shutil.copytree(ROOT / name, checkout / name, ignore=shutil.ignore_patterns("__pycache__", "node_modules"))
    for name in _FILES:
        shutil.copy(ROOT / name, checkout)
    for file in (path for path in (checkout / "deploy" / "host").rglob("*") if path.is_file()):
        file.write_text(host.moved(file.read_text()))
    accounts.make_environment(checkout / ".venv")


def _make_servers(host: Host) -> None:
    main, configuration = host.path("/var/lib/postgresql/15/main"), host.path("/etc/postgresql/15/main")
    accounts.own(main.parent, "postgres", 0o755)
    # As Debian's pg_createcluster does it: the superuser by the socket, all others by a password.
    subprocess.run(
        [str(POSTGRES / "initdb"), "-D", str(main), "-U", "postgres", "--auth-local=trust", "--auth-host=scram-sha-256", "-E", "UTF8",
         "--locale=C.UTF-8", "--no-sync"],
        check=True, cwd="/", env={"PATH": _SYSTEM}, stdout=subprocess.DEVNULL, **accounts.become("postgres"),
    )  # fmt: skip
    accounts.own(host.path("/run"), "postgres", 0o755)
    (configuration / "postgresql.conf").write_text(
        f"port = {host.ports['5432']}\nunix_socket_directories = '{host.path('/run')}'\ninclude_dir = 'conf.d'\n"
    )
    accounts.own(host.path("/var/lib/redis"), "redis", 0o750)
    nginx = host.path("/var/lib/nginx")
    accounts.own(nginx, "www-data", 0o700)
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    folders = "".join(f"{kind}_temp_path {nginx}/{kind};\n" for kind in kinds)
    (host.folder / "nginx.conf").write_text(
        f"pid {nginx}/nginx.pid;\nevents {{}}\nhttp {{\naccess_log off;\n{folders}include {host.folder}/etc/nginx/sites-enabled/*;\n}}\n"
    )
    accounts.own(host.path("/run"), "postgres", 0o755)
