"""Which TCP ports of 127.0.0.1 an instance uses."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping

from cli.instance.folder import InstanceError

DEFAULT_PORTS = {"airflow": 8080, "source": 54320}
VARIABLES = {"airflow": "MIDNIGHT_AIRFLOW_PORT", "source": "MIDNIGHT_SOURCE_PORT"}
_TRIES = 200


def port_is_free(port: int) -> bool:
    """Whether a server could listen on the port of 127.0.0.1."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a connection in TIME_WAIT does not matter
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    with socket.socket() as probe:  # macOS allows to bind although a server listens on all addresses
        return probe.connect_ex(("127.0.0.1", port)) != 0


def choose_port(
    name: str, *, remembered: int | None, is_ours: bool, environment: Mapping[str, str] | None = None
) -> int:
    """The port of a service.

    Args:
        name: ``airflow`` or ``source``.
        remembered: the port of the last start.
        is_ours: whether this instance's own server listens on the remembered port now.
        environment: variables; those of the process when None.

    Returns:
        The port of the environment variable; else the remembered one; else the first free one from the default on.

    Raises:
        InstanceError: the variable is not a valid port, or another program listens on it.
    """
    variable = VARIABLES[name]
    given = (os.environ if environment is None else environment).get(variable, "")
    if given:
        if not given.isdecimal() or not 1024 <= int(given) <= 65535:
            raise InstanceError(f"{variable}={given!r} is not a port", "a number from 1024 to 65535")
        port = int(given)
        if not (is_ours and port == remembered) and not port_is_free(port):
            raise InstanceError(
                f"port {port} ({variable}) is in use by another program",
                f"end that program, or choose another port, for example {variable}={_first_free(port + 1)}",
            )
        return port
    if remembered is not None and (is_ours or port_is_free(remembered)):
        return remembered
    return _first_free(DEFAULT_PORTS[name])


def _first_free(start: int) -> int:
    for port in range(start, min(start + _TRIES, 65536)):
        if port_is_free(port):
            return port
    raise InstanceError(f"no port from {start} to {start + _TRIES} is free", f"set {' and '.join(VARIABLES.values())}")
