"""Functions of the characters of a text. Source: "String functions (Transact-SQL)" and their pages."""

from __future__ import annotations

from midnight.gold_to_serving.tsql.construct import FunctionCall
from midnight.gold_to_serving.tsql.sql_pieces import bind
from midnight.gold_to_serving.tsql.typed import Typed
from midnight.gold_to_serving.tsql.types import INT, MAXIMUM_BYTES, UNICODE, SqlType, nvarchar, varchar
from midnight.sql_text import text_literal


def like_type(text: Typed, length: int | None) -> SqlType:
    """Return varchar or nvarchar, as the text is, with another length."""
    return SqlType("nvarchar" if text.type.kind in UNICODE else "varchar", length=length)


_BRACKETS = {
    "[": "[]",
    "]": "[]",
    "'": "''",
    '"': '""',
    "(": "()",
    ")": "()",
    "<": "<>",
    ">": "<>",
    "{": "{}",
    "}": "{}",
    "`": "``",
}


def reverse(f: FunctionCall) -> Typed:
    text = f.text(0)
    # DuckDB's reverse keeps letters and their combining marks together; T-SQL does not.
    by_code_point = "array_to_string(list_transform(range(length(v), 0, -1), lambda k: substr(v, k, 1)), '')"
    sql = f"CASE WHEN strlen(v) = length(v) THEN reverse(v) ELSE {by_code_point} END"
    return Typed(bind(text.sql, "v", sql), like_type(text, text.type.length))


def translate(f: FunctionCall) -> Typed:
    text = f.text(0)
    old, new = f.constant_text(1, "the characters"), f.constant_text(2, "the replacements")
    if len(old) != len(new) or len(set(old)) != len(old):
        raise f.refused("TRANSLATE needs as many replacements as different characters", "write each character once")
    return Typed(f"translate({text.sql}, {text_literal(old)}, {text_literal(new)})", like_type(text, text.type.length))


def code(f: FunctionCall) -> Typed:
    text = f.text(0)
    sql = "CASE WHEN v <> '' THEN CAST(unicode(v) AS INTEGER) END"
    if f.node.name == "ASCII":
        outside = "error('ASCII of a character outside ASCII; use UNICODE')"
        sql = f"CASE WHEN ascii(v) > 127 THEN {outside} WHEN v <> '' THEN CAST(ascii(v) AS INTEGER) END"
    return Typed(bind(text.sql, "v", sql), INT)


def char(f: FunctionCall) -> Typed:
    most = 127 if f.node.name == "CHAR" else 55295
    number = f.value(0).integer
    if number is not None and (number < 0 or number > 255) and f.node.name == "CHAR":
        return Typed("CAST(NULL AS VARCHAR)", varchar(1))
    if number is not None and not 0 < number <= most:
        raise f.refused(f"{f.node.name}({number}) is not proved", f"use 1 to {most}")
    type_ = varchar(1) if f.node.name == "CHAR" else nvarchar(1)
    if number is not None:
        return Typed(f"chr({number})", type_, chr(number))
    outside = f"error('{f.node.name} of a number outside 1 to {most}')"
    missing = "WHEN n < 0 OR n > 255 THEN NULL " if f.node.name == "CHAR" else ""
    sql = f"CASE {missing}WHEN n NOT BETWEEN 1 AND {most} THEN {outside} ELSE chr(n) END"
    return Typed(bind(f.whole(0), "n", sql), type_)


def quotename(f: FunctionCall) -> Typed:
    text = f.text(0)
    character = f.constant_text(1, "the quote") if f.count == 2 else "["
    if character not in _BRACKETS:
        raise f.refused(f"QUOTENAME with {character!r} returns NULL", "use '[', '\"' or ''''")
    left, right = _BRACKETS[character][0], _BRACKETS[character][1]
    inside = f"replace(v, {text_literal(right)}, {text_literal(right * 2)})"
    sql = f"CASE WHEN length(v) <= 128 THEN {text_literal(left)} || {inside} || {text_literal(right)} END"
    return Typed(bind(text.sql, "v", sql), nvarchar(258))


def str_of_integer(f: FunctionCall) -> Typed:
    """STR of an integer: right-justified, asterisks when it is too long. Other numbers would be rounded as floats."""
    value = f.value(0)
    numbers = [f.value(index).integer for index in range(1, f.count)]
    if value.type.kind not in ("tinyint", "smallint", "int") or None in numbers or numbers[1:] not in ([], [0]):
        problem = "STR: only of an integer, without decimals: how it rounds floating-point numbers is not documented"
        raise f.refused(problem, "write FORMAT(x, 'N2') or CAST(x AS decimal(10,2))")
    length = numbers[0] if numbers else 10
    if length is None or not 0 < length <= MAXIMUM_BYTES:
        raise f.refused(f"STR: the length {length} is not proved", f"write 1 to {MAXIMUM_BYTES}")
    sql = f"CASE WHEN length(v) > {length} THEN repeat('*', {length}) ELSE lpad(v, {length}, ' ') END"
    return Typed(bind(f"CAST({value.sql} AS VARCHAR)", "v", sql), varchar(length))


def hashbytes(f: FunctionCall) -> Typed:
    algorithm = f.constant_text(0, "the algorithm").upper()
    text = f.value(1)
    functions = {"SHA2_256": "sha256", "MD5": "md5", "SHA1": "sha1", "SHA": "sha1"}
    if algorithm not in functions or text.type.kind not in ("varchar", "char"):
        raise f.refused(f"HASHBYTES {algorithm} of {text.type} is not supported", "use SHA2_256 of a varchar")
    return Typed(f"unhex({functions[algorithm]}({text.sql}))", SqlType("varbinary", length=8000))
