"""How every command ends: its exit code, and the message of an error that a person can act on."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import traceback
from collections.abc import Callable
from enum import IntEnum
from importlib import import_module
from typing import NoReturn


class ExitCode(IntEnum):
    """Exit codes, the same for all commands."""

    DONE = 0
    PROBLEM = 1
    USAGE = 2
    DEFECT = 3
    INTERRUPTED = 130
    PIPE_CLOSED = 141


# For docs/commands.md
MEANINGS = {
    ExitCode.DONE: "done",
    ExitCode.PROBLEM: "a problem of your data, configuration or environment; the message says what to do",
    ExitCode.USAGE: "a wrong command line",
    ExitCode.DEFECT: "a defect of Midnight; the traceback belongs in a bug report",
    ExitCode.INTERRUPTED: "interrupted with Ctrl+C; a run that was triggered continues",
    ExitCode.PIPE_CLOSED: "the program that reads the output has ended, as in `midnight status | head`",
}


def run_module(name: str, module: str, function: str = "main", **options: object) -> NoReturn:
    """Import a command's module, call its function, and exit with the code that it returns.

    Args:
        name: of the command, for messages.
        module: imported only now, so that `midnight --help` answers at once.
        function: of the module.
        options: its arguments.
    """

    def command() -> int:
        called: Callable[..., int] = getattr(import_module(module), function)
        return called(**options)

    sys.exit(run_command(name, command))


def run_command(name: str, command: Callable[[], int]) -> int:
    """Run a command. An error that a person can act on is printed as a message, a defect with its traceback.

    Args:
        name: of the command, for messages.
        command: returns its exit code.
    """
    try:
        code = command()
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        # Python's documentation of SIGPIPE: what is still buffered must not fail again at the end of the process.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.PIPE_CLOSED
    except KeyboardInterrupt:
        print("interrupted; hint: `make status` shows what is running", file=sys.stderr)
        return ExitCode.INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the last handler of the process
        message = _message(error)
        if message is None:
            traceback.print_exc()
            print(f"✗ `{name}` failed because of a defect of Midnight; hint: report the lines above", file=sys.stderr)
            return ExitCode.DEFECT
        print(f"✗ {message}", file=sys.stderr)
        return ExitCode.PROBLEM


def _message(error: Exception) -> str | None:
    """The message of an error that a person can act on; None for a defect."""
    from midnight.errors import MidnightError

    if isinstance(error, MidnightError):
        return str(error)
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        place = f" while writing {error.filename}" if error.filename else ""
        return f"the disk is full{place}; hint: free some space (`df -h`), then run the command again"
    if isinstance(error, subprocess.TimeoutExpired):
        program = error.cmd if isinstance(error.cmd, str) else " ".join(map(str, error.cmd[:3]))
        return f"`{program}` was not finished after {error.timeout:.0f} s"
    return None
