"""STRING_SPLIT and OPENJSON in FROM. Source: "STRING_SPLIT", "OPENJSON"."""

from __future__ import annotations

from typing import TYPE_CHECKING

from midnight.gold_to_serving.tsql import query_syntax as q
from midnight.gold_to_serving.tsql.conversions import convert, implicit_text
from midnight.gold_to_serving.tsql.json_functions import json_path, json_value
from midnight.gold_to_serving.tsql.problems import RefusedError
from midnight.gold_to_serving.tsql.scope import Column, Scope
from midnight.gold_to_serving.tsql.type_names import type_of
from midnight.gold_to_serving.tsql.typed import Typed
from midnight.gold_to_serving.tsql.types import BIGINT, UNICODE, SqlType, nvarchar
from midnight.sql_text import quote_identifier, text_literal

if TYPE_CHECKING:
    from midnight.gold_to_serving.tsql.expressions import Expressions


def table_function(e: Expressions, node: q.TableFunction, scope: Scope) -> tuple[str, tuple[Column, ...]]:
    """Return DuckDB's SELECT for the function, and its columns.

    Raises:
        RefusedError: not a table function that is proved.
    """
    if node.name == "STRING_SPLIT":
        return _string_split(e, node, scope)
    if node.name == "OPENJSON":
        return _openjson(e, node, scope)
    raise RefusedError(
        node.line, f"{node.name}: only views, STRING_SPLIT and OPENJSON can be read", "join a view, or VALUES"
    )


def _string_split(e: Expressions, node: q.TableFunction, scope: Scope) -> tuple[str, tuple[Column, ...]]:
    if len(node.arguments) not in (2, 3) or node.json_columns:
        raise RefusedError(node.line, "STRING_SPLIT has two or three arguments", "write STRING_SPLIT(x, ',')")
    text, separator, *ordinal = e.values(node.arguments, scope)
    text = implicit_text(text, node.line)
    if separator.text is None or len(separator.text) != 1:
        raise RefusedError(node.line, "STRING_SPLIT: the separator must be one character", "write STRING_SPLIT(x, ',')")
    if ordinal and ordinal[0].integer not in (0, 1):
        raise RefusedError(
            node.line, "STRING_SPLIT: the third argument must be 0 or 1", "write 1 for the column ordinal"
        )
    kind = "nvarchar" if text.type.kind in UNICODE else "varchar"
    columns = [Column("value", SqlType(kind, length=text.type.length))]
    parts = f"string_split({text.sql}, {separator.sql})"
    selected = f"unnest({parts})"
    if ordinal and ordinal[0].integer == 1:
        columns.append(Column("ordinal", BIGINT))
        selected += f", unnest(CAST(range(1, len({parts}) + 1) AS BIGINT[]))"
    return f"SELECT {selected}", tuple(columns)


def _openjson(e: Expressions, node: q.TableFunction, scope: Scope) -> tuple[str, tuple[Column, ...]]:
    line = node.line
    if len(node.arguments) not in (1, 2):
        raise RefusedError(line, "OPENJSON has one or two arguments", "write OPENJSON(x, '$.path')")
    document, *given = e.values(node.arguments, scope)
    path = json_path(given[0].text or "") if given else "$"
    if path is None:
        raise RefusedError(
            line, "OPENJSON: the path is not a constant that is supported", "write '$.a.b[0]', without strict"
        )
    found = f"json_extract(tsql.json_texts({implicit_text(document, line).sql}), {text_literal(path)})"
    if not node.json_columns:
        return _keys_and_values(found)
    columns, shown = [], []
    for column in node.json_columns:
        known = json_path(column.path or f'$."{column.name}"')
        if known is None or column.as_json:
            raise RefusedError(
                column.line, f"OPENJSON: column {column.name!r} is not supported", "write '$.a.b', without AS JSON"
            )
        target = type_of(column.type, 1)
        value = Typed(json_value("e.j", known), nvarchar(None))
        shown.append(f"{convert(value, target, column.line, explicit=True).sql} AS {quote_identifier(column.name)}")
        columns.append(Column(column.name, target))
    elements = (
        f"list_transform([{found}], lambda d: CASE json_type(d) "
        "WHEN 'ARRAY' THEN CAST(json_extract(d, '$[*]') AS VARCHAR[]) WHEN 'OBJECT' THEN [CAST(d AS VARCHAR)] END)[1]"
    )
    return f"SELECT {', '.join(shown)} FROM (SELECT unnest({elements}) AS j) AS e", tuple(columns)


def _keys_and_values(found: str) -> tuple[str, tuple[Column, ...]]:
    """OPENJSON without WITH: a row for each element or property. Its column ``type`` is not supported."""
    pairs = (
        f"list_transform([{found}], lambda d: CASE json_type(d) "
        "WHEN 'ARRAY' THEN list_transform(json_extract(d, '$[*]'), lambda x, n: {'k': CAST(n - 1 AS VARCHAR), 'v': x}) "
        "WHEN 'OBJECT' THEN list_transform(list_zip(json_keys(d), json_extract(d, '$.*')), "
        "lambda p: {'k': p[1], 'v': p[2]}) END)[1]"
    )
    nested = (
        "error('OPENJSON without WITH: objects and arrays are shown as they were written, which DuckDB does not keep')"
    )
    value = f"CASE WHEN json_type(e.p.v) IN ('OBJECT', 'ARRAY') THEN {nested} ELSE json_extract_string(e.p.v, '$') END"
    columns = (Column("key", nvarchar(4000)), Column("value", nvarchar(None)))
    return f"SELECT e.p.k, {value} FROM (SELECT unnest({pairs}) AS p) AS e", columns
