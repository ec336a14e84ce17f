"""JSON_VALUE, ISJSON and OPENJSON. Source: "JSON_VALUE", "ISJSON", "OPENJSON", "JSON path expressions".

JSON_QUERY returns a part of the original text, which DuckDB does not keep.
"""

from __future__ import annotations

import re

from midnight.gold_to_serving.tsql.construct import Construct, FunctionCall, Translate
from midnight.gold_to_serving.tsql.typed import Typed
from midnight.gold_to_serving.tsql.types import INT, nvarchar
from midnight.sql_text import text_literal

_PATH = re.compile(r"""\s*(?:lax\s+)?(\$(?:\.(?:[A-Za-z_]\w*|"[^"\\*]+")|\[\d+\])*)\s*""")


def json_path(path: str) -> str | None:
    """The path in lax mode, for DuckDB; None when it is not proved."""
    match = _PATH.fullmatch(path)
    return match[1] if match else None


def json_value(document: str, path: str) -> str:
    """DuckDB's SQL: the text of a string, number or boolean, NULL for other and missing values.

    Args:
        document: DuckDB's SQL of the JSON text, with its numbers as texts (``tsql.json_texts``).
        path: in DuckDB's form.
    """
    return (
        f"list_transform([{document}], lambda d: CASE WHEN json_type(json_extract(d, {text_literal(path)})) "
        f"NOT IN ('OBJECT', 'ARRAY', 'NULL') THEN json_extract_string(d, {text_literal(path)}) END)[1]"
    )


def _json_value(f: FunctionCall) -> Typed:
    path = f.constant_text(1, "the path")
    known = json_path(path)
    if known is None:
        raise f.refused(f"JSON_VALUE: the path {path!r} is not supported", "write '$.a.b[0]', without strict")
    value = json_value(f"tsql.json_texts({f.text(0).sql})", known)
    # lax: NULL for texts that are longer than nvarchar(4000)
    return Typed(f"list_transform([{value}], lambda v: CASE WHEN tsql.units(v) <= 4000 THEN v END)[1]", nvarchar(4000))


def _isjson(f: FunctionCall) -> Typed:
    text = f.text(0)
    odd = "json_valid(v) AND regexp_matches(v, ',\\s*[\\]}]|NaN|Inf')"  # DuckDB accepts more than T-SQL
    valid = (
        f"CASE WHEN v IS NULL THEN NULL WHEN {odd} THEN error('ISJSON of this text is not proved') "
        "WHEN json_valid(v) AND regexp_matches(v, '^\\s*[\\[{]') THEN 1 ELSE 0 END"
    )
    return Typed(f"CAST(list_transform([{text.sql}], lambda v: {valid})[1] AS INTEGER)", INT)


def _row(name: str, signature: str, example: str, translate: Translate, count: int) -> Construct:
    page = f"functions/{name.lower().replace('_', '-')}-transact-sql"
    return Construct(name, "JSON", signature, example, page, translate, (count, count))


JSON_FUNCTIONS = (
    _row(
        "JSON_VALUE",
        "JSON_VALUE(text, '$.path') → nvarchar(4000), lax",
        "JSON_VALUE('{\"a\": [1, 2]}', '$.a[1]') = '2'",
        _json_value,
        2,
    ),
    _row("ISJSON", "ISJSON(text) → int", "ISJSON('{}') = 1", _isjson, 1),
)
