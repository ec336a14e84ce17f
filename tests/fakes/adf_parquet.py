"""Copies rows of PostgreSQL into a Parquet file as Data Factory does, including the values that it changes.

It reads with Npgsql into .NET types and writes with parquet-mr: a decimal without precision becomes decimal(38,18), a
date a timestamp, every timestamp INT96 in UTC; 'infinity' silently becomes the last moment of the year 9999; a number
of more than 28 digits, a date before the year 1 and an interval with months stop the copy.

Sources: "Copy data from PostgreSQL V2" (data type mapping), "Parquet format", npgsql.org "Date and time handling".
"""

from __future__ import annotations

import io
import threading
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pyarrow as pa
import pytest
from psycopg.types.datetime import DateBinaryLoader, TimestampBinaryLoader, TimestamptzBinaryLoader
from pyarrow import parquet

LAST_MOMENT = datetime(9999, 12, 31, 23, 59, 59, 999999)
ROWS_AT_ONCE = 20_000
DIGITS = 28
_INT96 = pa.timestamp("us")
# PostgreSQL's type -> what parquet-mr writes; everything else is a string.
_TYPES = {
    **{"int2": pa.int32(), "int4": pa.int32(), "int8": pa.int64(), "oid": pa.int64()},
    **{"float4": pa.float32(), "float8": pa.float64(), "bool": pa.bool_(), "bytea": pa.binary()},
    **{"numeric": pa.decimal128(38, 18), "date": _INT96, "timestamp": _INT96, "timestamptz": _INT96},
}

_UNCHANGED = ("int2", "int4", "int8", "float4", "float8", "bool", "bytea", "text", "varchar", "bpchar")


class CopyError(Exception):
    """A copy failed; with the service's message."""


_OLDEST_VERSION = 120_000


class Cancelled(Exception):
    """The copy was cancelled."""


def copy_to_parquet(dsn: str, query: str, cancelled: threading.Event) -> tuple[bytes, int]:
    """Run a query and write its rows as Data Factory does.

    Args:
        dsn: of the source; the settings of its role and server stay in force.
        query: of the copy.
        cancelled: stops it.

    Returns:
        The file and its number of rows.

    Raises:
        CopyError: PostgreSQL refused, or a value has no .NET type.
        Cancelled: on request.
    """
    try:
        with psycopg.connect(dsn, autocommit=True) as connection:
            if connection.info.server_version < _OLDEST_VERSION:
                pytest.skip("Data Factory's connector reads PostgreSQL 12 and newer")
            for name, loader in (("date", _Date), ("timestamp", _Timestamp), ("timestamptz", _Timestamptz)):
                connection.adapters.register_loader(name, loader)
            with connection.cursor(binary=True) as cursor:
                cursor.execute(query.encode())
                if cursor.description is None:
                    raise CopyError("ErrorCode=UserErrorEmptyColumn,'Message=The query returns no columns'")
                return _write(connection, cursor, cancelled)
    except psycopg.Error as error:
        kind = "UserErrorOdbcOperationFailed" if isinstance(error, psycopg.OperationalError) else "UserErrorReadFailed"
        code = f"{error.sqlstate}: " if error.sqlstate else ""  # as Npgsql prints errors of the server
        raise CopyError(f"ErrorCode={kind},'Message={code}{str(error).strip()},Source=Npgsql'") from error


def _write(connection: Any, cursor: Any, cancelled: threading.Event) -> tuple[bytes, int]:
    kinds = []
    for column in cursor.description:
        if " " in column.name:
            raise CopyError(f"ErrorCode=ParquetInvalidColumnName,'Message=The column name {column.name} is invalid'")
        known = connection.adapters.types.get(column.type_code)
        kinds.append(known.name if known else "")
    schema = pa.schema(
        [(column.name, _TYPES.get(kind, pa.string())) for column, kind in zip(cursor.description, kinds, strict=True)]
    )
    content, rows = io.BytesIO(), 0
    with parquet.ParquetWriter(content, schema, compression="snappy", use_deprecated_int96_timestamps=True) as writer:
        while block := cursor.fetchmany(ROWS_AT_ONCE):
            if cancelled.is_set():
                raise Cancelled
            columns = zip(*block, strict=True)
            arrays = [
                pa.array(values if kind in _UNCHANGED else [_net_value(value, kind) for value in values], type)
                for values, kind, type in zip(columns, kinds, schema.types, strict=True)
            ]
            writer.write_table(pa.table(arrays, schema=schema))
            rows += len(block)
    return content.getvalue(), rows


def _net_value(value: Any, kind: str) -> Any:
    """The value after its conversion to a .NET type and back."""
    result = value
    if isinstance(value, Decimal):
        if not value.is_finite() or len(value.as_tuple().digits) > DIGITS:
            raise CopyError(f"ErrorCode=UserErrorInvalidDataValue,'Message=Value {value} is out of range for Decimal'")
    elif isinstance(value, datetime):
        result = value.replace(tzinfo=None)
    elif isinstance(value, date):
        result = datetime.combine(value, time())
    elif isinstance(value, timedelta):
        days, rest = divmod(int(value.total_seconds()), 86_400)
        result = f"{days}.{rest // 3600:02}:{rest // 60 % 60:02}:{rest % 60:02}"
    elif value is not None and kind not in _TYPES:
        result = str(value)
    return result


class _Date(DateBinaryLoader):
    def load(self, data: Any) -> Any:
        return LAST_MOMENT if bytes(data) == b"\x7f\xff\xff\xff" else super().load(data)


class _Timestamp(TimestampBinaryLoader):
    def load(self, data: Any) -> Any:
        return LAST_MOMENT if bytes(data) == b"\x7f" + b"\xff" * 7 else super().load(data)


class _Timestamptz(TimestamptzBinaryLoader):
    def load(self, data: Any) -> Any:
        if bytes(data) == b"\x7f" + b"\xff" * 7:
            return LAST_MOMENT
        return super().load(data).astimezone(UTC).replace(tzinfo=None)
