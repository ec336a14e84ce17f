"""The job server: imports the Spark jobs once, then forks a child for each job that a task asks for.

    python -P -m midnight.job_server.server <socket> <module to import first> <folder with code> …

It forks before any thread or connection exists in it, so it imports and does nothing else. For each connection it
forks a supervisor, which talks to the task and is the parent of the job; so jobs do not depend on the server's life.
When a file of the code has changed since the imports, it refuses the job (the task then starts a process of its own)
and replaces itself.
"""

from __future__ import annotations

import gc
import importlib
import os
import runpy
import signal
import socket
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from midnight.errors import first_line
from midnight.job_server.code_state import read_code_state
from midnight.job_server.messages import Connection, socket_address

REQUEST_TIMEOUT_SECONDS = 60
_LISTENER_OPTION = "--listener="


def main(arguments: Sequence[str]) -> NoReturn:
    """Serve until the process is ended.

    Args:
        arguments: path of the socket, name of the module to import first, folders whose changes make this process
            stale; last, the descriptor of the listening socket, when this process replaces an earlier one.
    """
    path, module, *rest = arguments
    inherited = [int(text.removeprefix(_LISTENER_OPTION)) for text in rest if text.startswith(_LISTENER_OPTION)]
    folders = [Path(text) for text in rest if not text.startswith(_LISTENER_OPTION)]
    listener = socket.socket(fileno=inherited[0]) if inherited else listen(Path(path))
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # supervisors leave no zombies
    state = read_code_state(folders)  # before the imports: a change during them counts
    problem = _import(module) or _find_threads()
    gc.freeze()  # the children do not copy the memory of what was imported
    print(f"job server {os.getpid()}: {problem or 'ready'}", flush=True)
    while True:
        accepted, _ = listener.accept()
        connection = Connection(accepted)
        stale = read_code_state(folders) != state
        if stale or problem:
            _refuse(connection, "its code has changed since it was imported" if stale else problem)
            if stale:
                _replace_this_process(listener, [path, module, *map(str, folders)])
        elif os.fork() == 0:
            listener.close()
            _supervise(connection)
        connection.close()


def listen(path: Path) -> socket.socket:
    """A listening socket that only its owner can reach.

    Args:
        path: of the socket; one that a dead server has left is replaced.
    """
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    before = os.umask(0o177)
    try:
        with socket_address(new) as address:
            listener.bind(address)
    finally:
        os.umask(before)
    listener.listen()
    new.replace(path)  # so that a task finds either nothing or a socket that takes its connection
    return listener


def _import(module: str) -> str:
    """Import the jobs; why that failed, or an empty text. A task's own process then shows the whole error."""
    try:
        importlib.import_module(module)
    except Exception as error:  # noqa: BLE001 - whatever a user's change of the code raises
        traceback.print_exc()
        return f"{module} cannot be imported: {type(error).__name__}: {first_line(error)}"
    return ""


def _find_threads() -> str:
    """Why no child can be forked: a lock that another thread holds would stay locked in the child; or an empty text."""
    count = len(os.listdir("/proc/self/task"))
    return "" if count == 1 else f"its imports have started threads ({count - 1}), so that it cannot fork"


def _refuse(connection: Connection, reason: str) -> None:
    try:
        connection.send({"refused": reason})
    except OSError:
        print("a task closed its connection", flush=True)


def _replace_this_process(listener: socket.socket, arguments: Sequence[str]) -> NoReturn:
    """Start again with the current code. The socket stays open, so that a task can wait; the process id is the same."""
    listener.set_inheritable(True)
    command = [sys.executable, "-P", "-m", "midnight.job_server.server", *arguments]
    os.execv(command[0], [*command, f"{_LISTENER_OPTION}{listener.fileno()}"])  # noqa: S606 - our own interpreter


def _supervise(connection: Connection) -> NoReturn:
    """Start the job that the task asks for, and tell it the exit code. Never returns: this is a child process."""
    code = 1
    try:
        _start_and_wait(connection)
        code = 0
    except (OSError, TimeoutError) as error:  # the task was killed; its job ends by its lifeline
        print(f"supervisor {os.getpid()}: the task is gone ({type(error).__name__})", flush=True)
    except Exception:  # noqa: BLE001 - the last handler of the process
        traceback.print_exc()
    finally:
        os._exit(code)


def _start_and_wait(connection: Connection) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # otherwise the exit code is lost
    connection.send({"ready": True})
    request = connection.receive(REQUEST_TIMEOUT_SECONDS)
    if request is None:
        return
    descriptors = connection.descriptors
    pid = os.fork()
    if pid == 0:
        connection.close()
        _run_job(request, descriptors)
    _lead_group(pid)
    for descriptor in descriptors:  # the input must end when the task ends, the lock when the job ends
        os.close(descriptor)
    connection.send({"started": pid})
    # The ended job is not removed from the process table yet: its id must not be another's while the task may use it.
    ended = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    status = ended.si_status if ended is not None else 0
    exited = ended is not None and ended.si_code == os.CLD_EXITED
    connection.send({"ended": status if exited else -status})
    connection.receive()
    os.waitpid(pid, 0)


def _lead_group(pid: int) -> None:
    """Make a process the leader of its group. Parent and child both do it, so that neither has to wait."""
    try:
        os.setpgid(pid, pid)
    except (PermissionError, ProcessLookupError):
        return  # it has ended


def _run_job(request: dict[str, Any], descriptors: Sequence[int]) -> NoReturn:
    """Become the job: as ``python -P -m <module> <arguments>`` with this environment would be."""
    _lead_group(0)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    job_input, output, _lock = descriptors  # the lock stays open until this process ends
    for source, target in ((job_input, 0), (output, 1), (output, 2)):
        os.dup2(source, target)
    os.close(job_input)
    os.close(output)
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["folder"])
    sys.argv[1:] = request["arguments"]
    code = 1
    try:
        runpy.run_module(request["module"], run_name="__main__", alter_sys=True)
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
    except BaseException:  # noqa: BLE001 - as the interpreter does
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)  # what was imported is not taken apart again


if __name__ == "__main__":
    main(sys.argv[1:])
