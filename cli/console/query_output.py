"""The rows of a query as a table for people, as JSON, or as CSV."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from datetime import date, time
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from midnight.errors import MidnightError

if TYPE_CHECKING:
    import duckdb

SHOWN_ROWS = 200
_CHUNK = 5_000
_NUMBERS = ("INTEGER", "BIGINT", "SMALLINT", "TINYINT", "HUGEINT", "DECIMAL", "DOUBLE", "FLOAT", "UINTEGER", "UBIGINT")


class SameNameError(MidnightError):
    """Two columns of a result have one name."""


def write_rows(result: duckdb.DuckDBPyConnection, form: Literal["table", "json", "csv"], out: TextIO) -> None:
    """Write all rows; as a table only the first ones.

    JSON: one array of objects. Numbers have all their digits (a decimal keeps its scale: 1.50); dates and times are
    ISO 8601; NaN and infinite numbers are the texts "NaN", "Infinity" and "-Infinity"; bytes are hexadecimal digits;
    lists and structures keep their form.

    CSV (RFC 4180, with a header): null is nothing between the commas, an empty text is "".

    Raises:
        SameNameError: two columns have the same name, of which JSON would lose one.
    """
    names = [column[0] for column in result.description or ()]
    if form == "table":
        _write_table(result, names, out)
        return
    if form == "csv":
        out.write(",".join(csv_field(name) for name in names) + "\n")
        for row in _rows(result):
            out.write(",".join(csv_field(value) for value in row) + "\n")
        return
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise SameNameError(f"{twice[0]!r} is the name of two columns; hint: rename one with AS")
    separator = "["
    keys = [json.dumps(name, ensure_ascii=False) for name in names]
    for row in _rows(result):
        fields = ", ".join(f"{key}: {_json(value)}" for key, value in zip(keys, row, strict=True))
        out.write(f"{separator}{{{fields}}}")
        separator = ",\n "
    out.write("[]\n" if separator == "[" else "]\n")


def _rows(result: duckdb.DuckDBPyConnection) -> Iterator[tuple[Any, ...]]:
    while rows := result.fetchmany(_CHUNK):
        yield from rows


def _json(value: Any) -> str:
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, float) and not math.isfinite(value):
        return json.dumps(plain_text(value))
    if value is None or isinstance(value, bool | int | float):
        return json.dumps(value)
    if isinstance(value, dict):
        fields = (f"{json.dumps(plain_text(key), ensure_ascii=False)}: {_json(item)}" for key, item in value.items())
        return f"{{{', '.join(fields)}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(_json(item) for item in value)}]"
    return json.dumps(plain_text(value), ensure_ascii=False)


def plain_text(value: Any) -> str:
    """A value that is not null as text; the same in every output format."""
    for kind, as_text in _TEXTS:
        if isinstance(value, kind):
            return as_text(value)
    return str(value)


def _number(value: float) -> str:
    if math.isfinite(value):
        return repr(value)
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


_TEXTS: tuple[tuple[Any, Callable[[Any], str]], ...] = (
    (bool, lambda value: "true" if value else "false"),
    (Decimal, lambda value: format(value, "f")),
    (float, _number),
    ((date, time), lambda value: value.isoformat()),  # a datetime is also a date
    (bytes, bytes.hex),
    ((dict, list, tuple), _json),
)


def csv_field(value: Any) -> str:
    """A value as a field of CSV (RFC 4180): null is nothing, an empty text is ``""``."""
    if value is None:
        return ""
    text = plain_text(value)
    if text == "" or any(character in text for character in ',"\r\n') or text != text.strip():
        return '"' + text.replace('"', '""') + '"'
    return text


def _write_table(result: duckdb.DuckDBPyConnection, names: list[str], out: TextIO) -> None:
    console = Console(file=out, highlight=False)
    table = Table(box=None, pad_edge=False)
    for name, kind in zip(names, (str(column[1]) for column in result.description or ()), strict=True):
        table.add_column(Text(name), justify="right" if kind.startswith(_NUMBERS) else "left", overflow="fold")
    rows = result.fetchmany(SHOWN_ROWS + 1)
    for row in rows[:SHOWN_ROWS]:
        table.add_row(*(_cell(value) for value in row))
    if not console.is_terminal:  # a file or a pipe gets whole lines
        console = Console(file=out, highlight=False, width=max(console.measure(table).maximum, 1))
    console.print(table)
    if len(rows) > SHOWN_ROWS:
        more = f"the first {SHOWN_ROWS} rows; FORMAT=csv or FORMAT=json prints all"
    else:
        more = f"{len(rows)} row{'s' if len(rows) != 1 else ''}"
    console.print(Text(f"({more})", "dim"), soft_wrap=True)


def _cell(value: Any) -> Text:
    if value is None:
        return Text("NULL", "dim italic")
    text = plain_text(value)
    if isinstance(value, str) and (text.strip() != text or text in ("", "NULL")):
        text = "'" + text.replace("'", "''") + "'"  # distinguishes it from NULL and from an empty cell
    return Text("".join(character if character.isprintable() else repr(character)[1:-1] for character in text))
