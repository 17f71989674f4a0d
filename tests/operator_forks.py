"""Runs the operator's commands as forks of itself (see operator_commands).

A request is the length of a JSON text, with the files for the command's output and errors, and then the text. The answer
is the exit code.
"""

import contextlib
import gc
import json
import os
import select
import socket
import sys
import traceback
from typing import NoReturn

from app.admin.__main__ import main


def _serve() -> None:
    """Fork for each request, until the standard input ends."""
    # What the forks do not write to stays shared with them.
    gc.collect()
    gc.freeze()
    with socket.socket(socket.AF_UNIX) as listening:
        # Linux names it: no file to remove, and no path that could be too long.
        listening.bind("")
        listening.listen(16)
        os.write(1, listening.getsockname()[1:] + b"\n")
        while 0 not in (ready := select.select([0, listening], [], [])[0]):
            _reap()
            assert listening in ready
            connection, _ = listening.accept()
            with connection:
                if not os.fork():
                    _attend(connection)


def _reap() -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _attend(connection: socket.socket) -> NoReturn:
    """Tell the caller how the command ends, which runs in another fork."""
    length, files, _, _ = socket.recv_fds(connection, 4, 2)
    with connection.makefile("rb") as incoming:
        request = json.loads(incoming.read(int.from_bytes(length)))
    command = os.fork()
    if not command:
        for wanted, given in enumerate((os.open(os.devnull, os.O_RDONLY), *files)):
            os.dup2(given, wanted)
        os.environ.clear()
        os.environ.update(request["environment"])
        _become(request["arguments"])
    _, status = os.waitpid(command, 0)
    connection.sendall(str(os.waitstatus_to_exitcode(status)).encode())
    os._exit(0)


def _become(arguments: list[str]) -> NoReturn:
    sys.argv, code = ["app.admin", *arguments], 0
    try:
        main()
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:  # noqa: BLE001 as Python ends a process
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    # To take the interpreter apart in order costs more than the command.
    os._exit(code)


if __name__ == "__main__":
    _serve()
