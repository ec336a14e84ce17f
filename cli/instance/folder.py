"""An instance: one folder (``MIDNIGHT_HOME``, mode 0700) with everything that a local Midnight keeps.

```
<home>/.midnight-instance   marks the folder as an instance: nothing else is ever removed by `make reset`
       state.json           ports and process ids         secrets.json   generated passwords and keys (0600)
       connections.yaml     Airflow's local-file secrets backend (0600); variables.yaml the same for variables
       airflow/ postgres/ lake/ logs/ report/ serving.duckdb
       jobs.sock            the job server's socket       bytecode/      with PYTHONDONTWRITEBYTECODE only
```
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import os
import secrets
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from midnight.atomic_file import write_atomically
from midnight.errors import MidnightError
from midnight.masking import KEY_VARIABLE

MARKER_NAME = ".midnight-instance"
ADMIN_PASSWORD = "airflow_admin_password"  # noqa: S105 - the name of the secret, not the secret
LOCK_TIMEOUT_SECONDS = 180
_OTHER_HOME = "set MIDNIGHT_HOME to another folder"
_VARIABLES = """\
# Airflow's variables of this instance. The key makes the pseudonyms of masked columns (docs/masking.md): keep it secret
# and keep a copy, since another key means other pseudonyms.
{name}: "{key}"
"""


class InstanceError(MidnightError):
    """The instance's folder cannot be used, or another command is working on it."""


class Instance:
    """The folder of an instance; nothing is created before ``create``.

    Args:
        home: the folder.
    """

    def __init__(self, home: Path) -> None:
        self.home = home
        self.airflow_home = home / "airflow"
        self.postgres = home / "postgres"
        self.logs = home / "logs"
        self.connections = home / "connections.yaml"
        self.variables = home / "variables.yaml"
        self._marker = home / MARKER_NAME
        self._state = home / "state.json"
        self.secrets_file = home / "secrets.json"

    @property
    def exists(self) -> bool:
        return self._marker.exists()

    def create(self) -> None:
        """Create the folder and its passwords, or use the existing ones.

        Raises:
            InstanceError: the folder contains something else.
        """
        try:
            self.home.mkdir(parents=True, exist_ok=True)
            foreign = not self.exists and any(self.home.iterdir())
        except OSError as error:
            raise InstanceError(f"{self.home} cannot be used: {error}", _OTHER_HOME) from error
        if foreign:
            raise InstanceError(
                f"{self.home} is not empty and is not an instance of Midnight (it has no file {MARKER_NAME})",
                _OTHER_HOME,
            )
        self.home.chmod(0o700)  # the lake, the report and the serving file hold rows of the source
        if not self.exists:
            write_atomically(self._marker, json.dumps({"id": secrets.token_hex(8)}) + "\n")
        for folder in (self.airflow_home, self.logs):
            folder.mkdir(mode=0o700, exist_ok=True)
        if not self.secrets_file.exists():
            write_atomically(self.secrets_file, json.dumps(_new_secrets(), indent=2) + "\n")
        if not self.connections.exists():
            write_atomically(self.connections, "{}\n")
        if not self.variables.exists():
            write_atomically(self.variables, _VARIABLES.format(name=KEY_VARIABLE, key=secrets.token_hex(32)))

    @property
    def id(self) -> str:
        """Marks the processes of this instance (see ``cli.instance.processes``)."""
        identifier: str = json.loads(self._marker.read_text(encoding="utf-8"))["id"]
        return identifier

    @property
    def secrets(self) -> dict[str, str]:
        """Generated passwords and keys, by name."""
        known: dict[str, str] = json.loads(self.secrets_file.read_text(encoding="utf-8"))
        return known

    def read_state(self) -> dict[str, Any]:
        """The state that the last command saved; empty before the first."""
        try:
            state: dict[str, Any] = json.loads(self._state.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except json.JSONDecodeError as error:
            raise InstanceError(f"{self._state} is damaged ({error})", "remove it and run `make down`") from error
        return state

    def update_state(self, **changes: Any) -> None:  # JSON values
        """Save values; other keys stay."""
        write_atomically(self._state, json.dumps({**self.read_state(), **changes}, indent=2) + "\n")

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Only one command at a time starts or stops services of this instance.

        Raises:
            InstanceError: another command does not finish in time.
        """
        path = self.home / ".lock"
        deadline = time.monotonic() + LOCK_TIMEOUT_SECONDS
        announced = False
        while True:
            try:
                descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
            except FileNotFoundError:
                raise InstanceError(f"{self.home} was removed by another command", "start again") from None
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = os.pread(descriptor, 32, 0).decode() or "unknown"
                os.close(descriptor)
                if time.monotonic() > deadline:
                    raise InstanceError(
                        f"another command (process {holder}) has been working on {self.home} for "
                        f"{LOCK_TIMEOUT_SECONDS} s",
                        "wait for it or end it",
                    ) from None
                if not announced:
                    print(f"waiting for another command on {self.home} (process {holder})", file=sys.stderr, flush=True)
                    announced = True
                time.sleep(0.2)
                continue
            # `make reset` may have removed the folder, and with it this file, while we waited.
            if path.exists() and os.fstat(descriptor).st_ino == path.stat().st_ino:
                break
            os.close(descriptor)
        try:
            os.truncate(descriptor, 0)
            os.pwrite(descriptor, str(os.getpid()).encode(), 0)
            yield
        finally:
            os.close(descriptor)

    def remove(self) -> None:
        """Remove the folder with everything in it.

        Raises:
            InstanceError: it is not an instance.
        """
        if not self.exists:
            raise InstanceError(f"{self.home} has no file {MARKER_NAME}, and is not removed")
        # Renamed first: a command that waits for the lock would create its file again in the folder.
        removed = self.home.with_name(f"{self.home.name}.removed")
        shutil.rmtree(removed, ignore_errors=True)  # of a removal that was killed
        self.home.rename(removed)
        shutil.rmtree(removed)


def megabytes(folder: Path) -> int:
    """Disk use of a folder, in megabytes (10^6 bytes)."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                total += (Path(parent) / name).lstat().st_size
            except FileNotFoundError:  # a running service removed it in the meantime
                continue
    return round(total / 1_000_000)


def _new_secrets() -> dict[str, str]:
    return {
        ADMIN_PASSWORD: secrets.token_urlsafe(12),
        "airflow_jwt_secret": secrets.token_urlsafe(48),
        "airflow_api_secret_key": secrets.token_urlsafe(32),
        "airflow_fernet_key": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),  # as Fernet.generate_key
        "source_owner_password": secrets.token_urlsafe(16),
        "source_reader_password": secrets.token_urlsafe(16),
    }
