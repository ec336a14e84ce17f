"""Make .venv from a lock file. Standard library only, since nothing is installed yet; old Pythons get one message.

    python3 tools/bootstrap.py requirements.txt [folder]

uv installs it in half a minute; where uv cannot be installed, pip needs a few minutes. Index, certificate and
find-links come from the configuration of pip on this machine: they are passed on, never written to a file.
"""

import ast
import os
import shlex
import subprocess
import sys
import time

REPOSITORY = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
OLDEST, NEWEST = (3, 11), (3, 12)  # tested with the lock
# pip's setting -> uv's variable
PASSED_ON = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "cert": "SSL_CERT_FILE",
}
# -P: neither the launcher's folder nor the current one comes before the repository.
LAUNCHER = """\
#!/bin/sh
'''exec' {python} -P "$0" "$@"
'''
# Written by tools/bootstrap.py
import sys

sys.path[:0] = [{repository!r}]

from cli.__main__ import main

if __name__ == "__main__":
    main()
"""


def main(arguments: list) -> int:
    """Install one lock file into .venv.

    Args:
        arguments: name of the lock file, and of the environment's folder, by default .venv.

    Returns:
        Exit code.
    """
    version = ".".join(map(str, sys.version_info[:2]))
    if sys.version_info[:2] < OLDEST:
        return fail(
            f"Midnight needs Python 3.11 or newer, and {sys.executable} is {version}; hint: make up PYTHON=python3.12"
        )
    if sys.version_info[:2] > NEWEST:
        report(f"Python {version} is newer than the tested versions (3.11, 3.12): if packages are missing,")
        report("  use make up PYTHON=python3.12")
    lock = os.path.join(REPOSITORY, arguments[0])
    name = arguments[1] if len(arguments) > 1 else ".venv"
    folder = os.path.join(REPOSITORY, name)
    python = os.path.join(folder, "bin", "python")
    started = time.time()
    if not works(python):
        report(f"creating {name} with Python {version}")
        made = subprocess.run(
            [sys.executable, "-m", "venv", "--clear", folder], capture_output=True, text=True, check=False
        )
        if made.returncode != 0:
            return fail(
                "the virtual environment cannot be created; hint: on Debian or Ubuntu apt install python3-venv\n"
                + made.stdout
                + made.stderr
            )
    report(f"installing {arguments[0]}")
    if not install(python, lock):
        return fail(f"the packages of {arguments[0]} cannot be installed; hint: see the message above")
    if name == ".venv":
        write_launcher(os.path.join(folder, "bin", "midnight"), python)
    report(f"installed in {time.time() - started:.0f} s")
    return 0


def write_launcher(path: str, python: str) -> None:
    """Write the command `midnight`, which runs from any folder and keeps it as the current one.

    Args:
        path: of the command.
        python: of the virtual environment. A shell starts it, since the first line of a script takes neither long
            paths nor paths with a space.
    """
    text = LAUNCHER.format(python=shlex.quote(python), repository=REPOSITORY)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(path, 0o755)  # noqa: S103 - a command


def install(python: str, lock: str) -> bool:
    """Install a lock file with uv, or with pip where there is no uv; True when that succeeded."""
    # The lock is complete; --no-deps since pip would refuse what pyproject.toml overrides.
    options = ["--quiet", "--no-deps", "--require-hashes", "-r"]
    pip = [python, "-m", "pip", "--disable-pip-version-check", "install", *options]
    uv_lock = os.path.join(REPOSITORY, "requirements-uv.txt")
    if subprocess.run([*pip, uv_lock], capture_output=True, check=False).returncode == 0:
        command = [python, "-m", "uv", "pip", "install", "--quiet", "--python", python, "--require-hashes"]
        if subprocess.run([*command, "--requirement", lock], env=uv_environment(python), check=False).returncode == 0:
            return True
        report("uv could not install the packages; trying pip, which takes some minutes")
    else:
        report("uv cannot be installed here; pip takes some minutes")
    return subprocess.run([*pip, lock], check=False).returncode == 0


def uv_environment(python: str) -> dict:
    """The environment for uv: pip's configuration under uv's names; uv's own variables win."""
    environment = dict(os.environ)
    configured = pip_settings(python)
    for setting, variable in PASSED_ON.items():
        value = environment.get("PIP_" + setting.upper().replace("-", "_")) or configured.get(setting)
        if value and variable not in environment:
            environment[variable] = value
    return environment


def pip_settings(python: str) -> dict:
    """The values of pip's configuration files; those for `install` win over the general ones."""
    answer = subprocess.run([python, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False)
    pairs = [line.split("=", 1) for line in answer.stdout.splitlines() if "=" in line]
    values = {name: ast.literal_eval(value) for name, value in pairs}
    return {setting: values.get("install." + setting) or values.get("global." + setting) for setting in PASSED_ON}


def works(python: str) -> bool:
    """Whether the virtual environment exists and its Python is not too old."""
    check = "import sys, pip; sys.exit(sys.version_info[:2] < (3, 11))"
    try:
        return subprocess.run([python, "-c", check], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def fail(message: str) -> int:
    """Print the reason for a failure, and return the exit code."""
    report(message)
    return 1


def report(message: str) -> None:
    """Print progress to standard error: standard output belongs to the command, as in `make query … | jq`."""
    print(message, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
