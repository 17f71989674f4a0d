"""The operator's commands, each a process of its own, without Python's start.

Half a second of CPU goes into importing ``app.admin``, and the suite runs some hundred commands. So one process imports
it once, and each command is a fork of that: it has its own arguments, environment, output and exit code.
"""

import functools
import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

_ROOT = Path(__file__).parent.parent
_SECONDS = 60
_started: "list[subprocess.Popen[str]]" = []


def run(environment: Mapping[str, str], *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run one command and return how it ended, as ``subprocess.run`` does."""
    request = json.dumps({"arguments": arguments, "environment": dict(environment)}).encode()
    with (
        tempfile.TemporaryFile() as output,
        tempfile.TemporaryFile() as errors,
        socket.socket(socket.AF_UNIX) as asked,
    ):
        asked.settimeout(_SECONDS)
        asked.connect(_address())
        socket.send_fds(asked, [len(request).to_bytes(4)], [output.fileno(), errors.fileno()])
        asked.sendall(request)
        ended = asked.recv(64)
        if not ended:
            raise RuntimeError(f"the process of the command {arguments} is gone")
        return subprocess.CompletedProcess(arguments, int(ended), _text(output.fileno()), _text(errors.fileno()))


def _text(file: int) -> str:
    return os.pread(file, os.fstat(file).st_size, 0).decode()


@functools.cache
def _address() -> str:
    """Start the process that imports the commands, once; return the abstract address of its socket."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.operator_forks"],
        cwd=_ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    _started.append(process)
    address = process.stdout.readline().strip()
    process.stdout.close()
    return f"\0{address}"


def end() -> None:
    """End that process, if it was started. It also ends with its standard input, where this process is killed."""
    while _started:
        process = _started.pop()
        assert process.stdin is not None
        process.stdin.close()
        process.wait()
