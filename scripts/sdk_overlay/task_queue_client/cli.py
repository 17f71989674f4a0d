"""The command line ``tq``."""

import argparse
import json
import logging
import os
import shutil
import socket
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from . import TaskFailedError, TaskName, TaskQueue, TaskQueueError, commands, relay
from .errors import APIError
from .models import Event
from .showing import as_json, log_line
from .version import VERSION

_FAILED, _USAGE, _INTERRUPTED = 1, 2, 130
_EPILOG = (
    "The service and its key come from TASK_QUEUE_URL and TASK_QUEUE_KEY. tq ends with 0, with 1 if the task or the "
    "call failed, and with 2 if its arguments are wrong."
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return the exit status."""
    asked = _parser().parse_args(arguments)
    run: Callable[[TaskQueue, Any], int | None] = asked.run
    try:
        with TaskQueue(base_url=asked.url) as client:
            return run(client, asked) or 0
    except TaskFailedError as failed:
        return _complain(str(failed), _FAILED)
    except TaskQueueError as error:
        return _complain(str(error) + _hint(error), _FAILED)
    except (ValueError, OSError) as error:
        return _complain(str(error), _USAGE)
    except KeyboardInterrupt:
        return _INTERRUPTED


def _complain(text: str, status: int) -> int:
    print(f"tq: {text}", file=sys.stderr)
    return status


def _hint(error: TaskQueueError) -> str:
    unknown = isinstance(error, APIError) and any((fault.pointer or "").endswith("/task") for fault in error.errors)
    return "\ntq: `tq whoami` lists the task types of the service" if unknown else ""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tq", description="Submit tasks and follow them.", epilog=_EPILOG)
    parser.add_argument("--version", action="version", version=VERSION)
    parser.add_argument("--url", metavar="URL", help="the service; default: TASK_QUEUE_URL")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run: Callable[[TaskQueue, Any], int | None], about: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=about, description=f"{about}.", epilog=_EPILOG)
        added.set_defaults(run=run)
        return added

    _add_submit(command("submit", _submit, "Submit a task, and print its id"))
    command("status", _status, "Print where a task stands").add_argument("task_id")
    result = command("result", _result, "Print the result of a task")
    result.add_argument("task_id")
    result.add_argument("--wait", type=float, default=0.0, metavar="SECONDS", help="wait so long for its end")
    logs = command("logs", _logs, "Print what the code of a task has logged")
    logs.add_argument("task_id")
    logs.add_argument("-f", "--follow", action="store_true", help="go on to the end of the task")
    _add_events(command("events", _events, "Print the events of all tasks, one line of JSON each"))
    _add_listen(command("listen", _listen, "Relay the ends of all tasks to an address, signed as webhooks are"))
    _add_schedules(command("schedules", _schedules, "List, show, put, pause, resume, trigger, backfill or delete them"))
    _add_work(command("work", _work, "Run a command for each task of your own types, until SIGTERM or Ctrl-C"))
    command("whoami", _whoami, "Check the key; print its tenant and scopes, the limits and the task types")
    return parser


def _add_submit(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("task", help="the name of the task type")
    parser.add_argument("payload", nargs="?", help="JSON; - reads it from standard input, @FILE from a file")
    parser.add_argument("--priority", type=int, metavar="0-9")
    parser.add_argument("--delay", type=float, metavar="SECONDS", dest="delay_seconds")
    parser.add_argument(
        "--attempts", type=int, metavar="N", dest="max_attempts", help="at most; the type has a limit, too"
    )
    parser.add_argument("--tag", action="append", dest="tags", metavar="TEXT", help="can be given several times")
    parser.add_argument("--key", dest="idempotency_key", metavar="TEXT", help="the same key is the same task")
    parser.add_argument("--wait", type=float, metavar="SECONDS", help="wait for the end, and print the result")


def _add_events(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-f", "--follow", action="store_true", help="begin now, and go on")
    parser.add_argument("--after", metavar="CURSOR", help="begin after this cursor")
    for name in ("type", "task", "tag"):
        parser.add_argument(f"--{name}", help=f"only events of this {name}")


def _add_listen(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--forward", required=True, metavar="URL", help="for example http://localhost:3000/webhooks")
    parser.add_argument("--secret", metavar="whsec_…", help="default: a new one, which is printed")
    parser.add_argument("--after", metavar="CURSOR", help="begin after this cursor of the feed, and not now")


def _add_work(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--task", action="append", required=True, dest="tasks", metavar="NAME", help="several: again")
    parser.add_argument("--name", default=f"tq-{socket.gethostname()}-{os.getpid()}"[:100], help="the worker's name")
    parser.add_argument("--concurrency", type=int, default=1, metavar="N", help="commands at once; default: 1")
    parser.add_argument("--lease-seconds", type=int, default=60, metavar="SECONDS", help="15 to 3600; default: 60")
    parser.add_argument("--grace", type=float, default=25.0, metavar="SECONDS", help="time to end after a stop")
    about = "gets the payload as JSON on its standard input, and prints the result; write -- before it"
    parser.add_argument("command", nargs="+", metavar="COMMAND", help=about)


def _add_schedules(parser: argparse.ArgumentParser) -> None:
    acts = ("list", "show", "put", "pause", "resume", "trigger", "backfill", "delete")
    parser.add_argument("act", nargs="?", choices=acts, default="list")
    parser.add_argument("name", nargs="?", help="the name of the schedule; not for list")
    parser.add_argument("--json", metavar="JSON", dest="values", help="for put: its values; - reads them, @FILE too")
    parser.add_argument("--note", metavar="TEXT", help="for pause: why")
    parser.add_argument("--from", metavar="TIME", dest="since", help="for backfill: from this time on")
    parser.add_argument("--to", metavar="TIME", dest="until", help="for backfill: until this time")
    parser.add_argument("--dry-run", action="store_true", help="for backfill: only show the times")


def _submit(client: TaskQueue, asked: Any) -> int | None:
    names = ("priority", "delay_seconds", "max_attempts", "tags", "idempotency_key")
    options: Any = {name: value for name in names if (value := getattr(asked, name)) is not None}
    payload = () if asked.payload is None else (_payload(asked.payload),)
    handle = client.tasks.submit(TaskName(asked.task), *payload, **options)
    print(handle.task_id, flush=True)
    if asked.wait is not None:
        print(as_json(handle.wait(asked.wait)))
    return None


def _payload(text: str) -> Any:
    if text == "-":
        text = sys.stdin.read()
    elif text.startswith("@"):
        text = Path(text[1:]).read_text()
    try:
        return json.loads(text)
    except ValueError as error:
        raise ValueError(f"the payload is not JSON: {error}. A text needs quotes: '\"text\"'") from None


def _status(client: TaskQueue, asked: Any) -> None:
    print(as_json(client.tasks.status(asked.task_id)))


def _result(client: TaskQueue, asked: Any) -> None:
    print(as_json(client.tasks.result(asked.task_id, asked.wait)))


def _logs(client: TaskQueue, asked: Any) -> None:
    for line in client.tasks.follow_logs(asked.task_id) if asked.follow else client.tasks.logs(asked.task_id):
        print(log_line(line), flush=True)


def _events(client: TaskQueue, asked: Any) -> None:
    filters: Any = {name: value for name in ("type", "task", "tag") if (value := getattr(asked, name))}
    if not asked.follow:
        _print_events(client.past_events(after=asked.after, **filters))
        return
    with client.events(after=asked.after, **filters) as events:
        print(f"tq: following {client.base_url}; Ctrl-C ends it", file=sys.stderr, flush=True)
        _print_events(events)


def _print_events(events: Iterable[Event]) -> None:
    for event in events:
        print(as_json(event, indent=None), flush=True)


def _listen(client: TaskQueue, asked: Any) -> None:
    secret = asked.secret or relay.new_secret()
    print(f"Webhook secret: {secret}", flush=True)
    relay.run(client, asked.forward, secret, after=asked.after, say=lambda line: print(line, flush=True))


def _schedules(client: TaskQueue, asked: Any) -> int | None:
    if asked.act == "list":
        for schedule in client.schedules.list():
            following = "paused" if schedule.paused else schedule.next_fire_at or "ended"
            print(f"{schedule.name}\t{schedule.description}\t{schedule.task}\t{following}")
        return None
    if asked.name is None:
        return _complain(f"schedules {asked.act} needs the name of a schedule", _USAGE)
    if asked.act == "backfill" and None in {asked.since, asked.until}:
        return _complain("schedules backfill needs --from and --to", _USAGE)
    if asked.act == "put":
        values: Any = None if asked.values is None else _payload(asked.values)
        if not isinstance(values, dict):
            return _complain("schedules put needs --json with an object", _USAGE)
        print(as_json(client.schedules.put(asked.name, **values)))
        return None
    return _act_on_schedule(client, asked)


def _act_on_schedule(client: TaskQueue, asked: Any) -> int | None:
    found = next((each for each in client.schedules.list() if each.name == asked.name), None)
    if found is None:
        return _complain(f"there is no schedule {asked.name}", _FAILED)
    schedules, schedule_id = client.schedules, found.schedule_id
    if asked.act == "show":
        print(as_json(schedules.get(schedule_id)))
    elif asked.act == "trigger":
        print(schedules.trigger(schedule_id).task_id)
    elif asked.act == "backfill":
        print(as_json(schedules.backfill(schedule_id, asked.since, asked.until, dry_run=asked.dry_run)))
    elif asked.act == "delete":
        schedules.delete(schedule_id)
    elif asked.act == "pause":
        print(as_json(schedules.pause(schedule_id, note=asked.note)))
    else:
        print(as_json(schedules.resume(schedule_id)))
    return None


def _work(client: TaskQueue, asked: Any) -> None:
    if shutil.which(asked.command[0]) is None:
        raise ValueError(f"there is no command {asked.command[0]}")
    logging.basicConfig(format="tq: %(message)s", level=logging.WARNING)
    worker = client.worker(
        asked.name, concurrency=asked.concurrency, lease_seconds=asked.lease_seconds, grace_seconds=asked.grace
    )
    for task in dict.fromkeys(asked.tasks):
        worker.task(task)(commands.handler(asked.command))
    print(f"tq: {asked.name} works for {client.base_url}; Ctrl-C ends it", file=sys.stderr, flush=True)
    worker.run()


def _whoami(client: TaskQueue, _: Any) -> None:
    me = client.me()
    used = me.credential
    paused = f", paused by {' and '.join(me.queue.paused_by)}" if me.queue.paused_by else ""
    print(f"{client.base_url}: the key is valid, plan {me.tenant.plan}{paused}")
    print(f"Tenant: {me.tenant.slug} ({me.tenant.tenant_id})")
    ends = f", valid until {used.expires_at:%Y-%m-%d %H:%M} UTC" if used.expires_at else ""
    print(f"Credential: {used.kind} {used.name} ({used.id}){ends}")
    print(f"Scopes: {' '.join(me.scopes)}")
    if "tasks:read" in me.scopes:
        print("Task types: " + ", ".join(kind.name for kind in client.task_types()))
    for limit in me.limits or ():
        count = "" if limit.used is None else f", used {limit.used}"
        print(f"  {limit.name}: {'no limit' if limit.limit is None else limit.limit}{count}")


def run() -> None:
    """Be the program ``tq``."""
    try:
        status = main()
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader, such as head, has gone: Python would complain once more when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = _FAILED
    sys.exit(status)


if __name__ == "__main__":
    run()
