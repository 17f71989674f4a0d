"""The kernel ends a process whose thread never lets others run, and no other."""

import signal
import subprocess
import sys

_PROGRAM = """
import itertools, threading, time
from app.worker.aio.cpu_watchdog import CpuWatchdog
alarm = CpuWatchdog(threading.get_ident(), 1)
alarm.wind()
{code}
print("went on", flush=True)
"""


def _run(code: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM.format(code=code)], check=False, capture_output=True, text=True, timeout=60
    )
    return done.returncode, done.stdout


def test_code_that_keeps_the_interpreter_ends_the_process():
    assert _run("sum(itertools.repeat(0, 10**12))") == (-signal.SIGVTALRM, "")


def test_who_waits_needs_no_time():
    assert _run("time.sleep(1.5)") == (0, "went on\n")


def test_who_is_wound_up_or_stopped_may_compute_on():
    compute = "[sum(itertools.repeat(0, 10**7)) for _ in range(6)]"
    assert _run(f"[({compute}, alarm.wind()) for _ in range(3)]") == (0, "went on\n")
    assert _run(f"alarm.stop(); until = time.process_time() + 1.3\nwhile time.process_time() < until: {compute}") == (
        0, "went on\n",
    )  # fmt: skip
