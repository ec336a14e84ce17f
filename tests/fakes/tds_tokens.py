"""The tokens of a TDS response: errors, changes of the environment, result sets.

Source: [MS-TDS] "Tabular Data Stream Protocol", section 2.2.7; numbers are little-endian, text is UTF-16LE.
"""

from __future__ import annotations

import datetime
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

SERVER = "midnight-ondemand"
COLLATION = bytes.fromhex("0904d0ff00")  # results are UTF-16 in every collation of the database
DONE_FINAL, DONE_ERROR, DONE_COUNT, DONE_ATTENTION = 0x00, 0x02, 0x10, 0x20
DATABASE, LANGUAGE, PACKET_SIZE, SQL_COLLATION, BEGIN, COMMIT, ROLLBACK = 1, 2, 4, 7, 8, 9, 10
_EPOCH = datetime.date(1, 1, 1)


class SqlError(Exception):
    """The error that the server returns instead of a result.

    Args:
        number: of the message in SQL Server's catalogue.
        message: in English.
        severity: 11 to 16 are the user's to correct; from 20 on the connection ends.
        state: distinguishes the causes of one number.
    """

    def __init__(self, number: int, message: str, severity: int = 16, state: int = 1) -> None:
        super().__init__(message)
        self.number, self.message, self.severity, self.state = number, message, severity, state


@dataclass(frozen=True)
class Result:
    """A result set.

    Args:
        columns: pairs of name and DuckDB type (``BIGINT``, ``DECIMAL(10,2)``, ``VARCHAR``, …).
        rows: each with a value per column.
    """

    columns: Sequence[tuple[str, str]]
    rows: Sequence[Sequence[Any]]


def error(problem: SqlError) -> bytes:
    """The ERROR token."""
    return _message(0xAA, problem)


def information(number: int, message: str) -> bytes:
    """The INFO token."""
    return _message(0xAB, SqlError(number, message, severity=0))


def change(kind: int, new: str | bytes, old: str | bytes = "") -> bytes:
    """The ENVCHANGE token; bytes for values that are not text."""
    body = bytes([kind]) + b"".join(_short(value) for value in (new, old))
    return b"\xe3" + struct.pack("<H", len(body)) + body


def done(status: int = DONE_FINAL, rows: int = 0) -> bytes:
    """The DONE token."""
    return struct.pack("<BHHQ", 0xFD, status, 0xC1 if status & DONE_COUNT else 0, rows)


def login_acknowledged() -> bytes:
    """The LOGINACK token: TDS 7.4."""
    body = b"\x01" + bytes.fromhex("74000004") + _short("Microsoft SQL Server") + bytes([12, 0, 0x07, 0xD0])
    return b"\xad" + struct.pack("<H", len(body)) + body


def features_acknowledged(features: Sequence[int]) -> bytes:
    """The FEATUREEXTACK token; 0x02 is federated authentication, 0x0A UTF-8."""
    known = {0x02: b"", 0x0A: b"\x01"}
    body = b"".join(bytes([f]) + struct.pack("<I", len(known[f])) + known[f] for f in features if f in known)
    return b"\xae" + body + b"\xff" if body else b""


def result_set(result: Result) -> bytes:
    """COLMETADATA, a ROW per row, DONE."""
    kinds = [_kind(declared) for _, declared in result.columns]
    answer = [b"\x81", struct.pack("<H", len(kinds))]
    for (name, _), kind in zip(result.columns, kinds, strict=True):
        answer.append(struct.pack("<IH", 0, 0x0001) + kind.info + bytes([len(name)]) + name.encode("utf-16-le"))
    for row in result.rows:
        answer.append(b"\xd1")
        answer += [kind.value(value) for kind, value in zip(kinds, row, strict=True)]
    answer.append(done(DONE_COUNT, len(result.rows)))
    return b"".join(answer)


def _message(token: int, error: SqlError) -> bytes:
    body = struct.pack("<iBBH", error.number, error.state, error.severity, len(error.message))
    body += error.message.encode("utf-16-le") + _short(SERVER) + _short("") + struct.pack("<i", 1)
    return bytes([token]) + struct.pack("<H", len(body)) + body


def _short(value: str | bytes) -> bytes:
    """B_VARCHAR or B_VARBYTE: the length in one byte."""
    return bytes([len(value)]) + (value.encode("utf-16-le") if isinstance(value, str) else value)


@dataclass(frozen=True)
class _Kind:
    """TYPE_INFO of a column, and the encoder of its values."""

    info: bytes
    value: Callable[[Any], bytes]


def _kind(declared: str) -> _Kind:
    name = declared.partition("(")[0].upper()
    if name in _INTEGERS:
        size = _INTEGERS[name]
        return _Kind(bytes([0x26, size]), _sized(lambda value: int(value).to_bytes(size, "little", signed=size > 1)))
    if name == "DECIMAL":
        precision, scale = (int(part) for part in declared.partition("(")[2].rstrip(")").split(","))
        return _Kind(bytes([0x6C, 17, precision, scale]), _sized(lambda value: _decimal(value, scale)))
    if name in _OTHERS:
        return _OTHERS[name]
    # NVARCHAR(max), since the length is unknown: sent in a single chunk.
    return _Kind(b"\xe7\xff\xff" + COLLATION, _long_text)


def _sized(encode: Callable[[Any], bytes]) -> Callable[[Any], bytes]:
    def value(given: Any) -> bytes:
        encoded = b"" if given is None else encode(given)
        return bytes([len(encoded)]) + encoded

    return value


def _decimal(value: Any, scale: int) -> bytes:
    unscaled = int(Decimal(value).scaleb(scale))
    return (b"\x01" if unscaled >= 0 else b"\x00") + abs(unscaled).to_bytes(16, "little")


def _timestamp(value: datetime.datetime) -> bytes:
    midnight = value.replace(hour=0, minute=0, second=0, microsecond=0)
    ticks = (value - midnight) // datetime.timedelta(microseconds=1) * 10
    return ticks.to_bytes(5, "little") + _days(value.date())


def _days(value: datetime.date) -> bytes:
    return (value - _EPOCH).days.to_bytes(3, "little")


def _long_text(value: Any) -> bytes:
    if value is None:
        return b"\xff" * 8
    encoded = str(value).encode("utf-16-le")
    chunk = struct.pack("<I", len(encoded)) + encoded if encoded else b""
    return struct.pack("<Q", len(encoded)) + chunk + b"\x00" * 4


def _long_bytes(value: bytes | None) -> bytes:
    if value is None:
        return b"\xff" * 8
    return struct.pack("<QI", len(value), len(value)) + value + (b"\x00" * 4 if value else b"")


_INTEGERS = {"TINYINT": 1, "UTINYINT": 1, "SMALLINT": 2, "INTEGER": 4, "INT": 4, "BIGINT": 8}
_OTHERS = {
    "BOOLEAN": _Kind(bytes([0x68, 1]), _sized(lambda value: bytes([bool(value)]))),
    "FLOAT": _Kind(bytes([0x6D, 4]), _sized(lambda value: struct.pack("<f", value))),
    "DOUBLE": _Kind(bytes([0x6D, 8]), _sized(lambda value: struct.pack("<d", value))),
    "BLOB": _Kind(b"\xa5\xff\xff", _long_bytes),
    "DATE": _Kind(bytes([0x28]), _sized(_days)),
    "TIMESTAMP": _Kind(bytes([0x2A, 7]), _sized(_timestamp)),
}
