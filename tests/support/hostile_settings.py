"""Settings of a database that change the text of values."""

from __future__ import annotations

import psycopg

from cli.postgres.embedded import Server

_HOSTILE = {
    "DateStyle": "German, DMY",
    "IntervalStyle": "sql_standard",
    "TimeZone": "Asia/Kathmandu",
    "extra_float_digits": "-10",
    "bytea_output": "escape",
    "standard_conforming_strings": "off",
}


def apply_hostile_settings(server: Server) -> None:
    """Change the text of values in later sessions of the server's database."""
    with psycopg.connect(server.dsn, autocommit=True) as connection:
        for name, value in _HOSTILE.items():
            connection.execute(f"ALTER DATABASE {server.database} SET {name} = '{value}'")
