"""``connections.yaml``: Airflow's local-file secrets backend of an instance (readable by its owner only)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from cli.instance.folder import InstanceError
from midnight.atomic_file import write_atomically


def read_connections(path: Path) -> dict[str, dict[str, Any]]:
    """Connections by id, each with Airflow's fields (``conn_type``, ``host``, ``login``, …).

    Raises:
        InstanceError: the file is not such a mapping. Its content is not shown, since it contains passwords.
    """
    if not path.exists():
        return {}
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        raise InstanceError(f"{path}{line} is not valid YAML", "correct it or remove the file") from None
    if not isinstance(content, dict) or not all(isinstance(value, dict) for value in content.values()):
        raise InstanceError(f"{path} does not map each connection id to its fields", "correct it or remove the file")
    return content


def write_connection(path: Path, connection_id: str, fields: dict[str, Any]) -> None:
    """Add or replace one connection; the others stay. Comments of the file are lost.

    Args:
        path: the file.
        connection_id: Airflow's id of the connection.
        fields: Airflow's: ``conn_type``, ``host``, ``port``, ``schema`` (the database), ``login``, ``password``,
            ``description``, ``extra`` (a mapping).
    """
    connections = read_connections(path)
    if connections.get(connection_id) == fields:
        return
    connections[connection_id] = fields
    write_atomically(path, yaml.safe_dump(connections, sort_keys=False, allow_unicode=True))
