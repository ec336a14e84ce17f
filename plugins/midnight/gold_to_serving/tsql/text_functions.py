"""Text functions. Source: "String functions (Transact-SQL)" and their pages."""

from __future__ import annotations

from midnight.gold_to_serving.tsql import syntax as s
from midnight.gold_to_serving.tsql import text_characters as characters
from midnight.gold_to_serving.tsql.construct import Construct, FunctionCall, Translate
from midnight.gold_to_serving.tsql.conversion import fit_text
from midnight.gold_to_serving.tsql.conversions import implicit_text
from midnight.gold_to_serving.tsql.like import patindex
from midnight.gold_to_serving.tsql.operators import concatenated_type
from midnight.gold_to_serving.tsql.text_characters import like_type
from midnight.gold_to_serving.tsql.text_concatenation import concat, concat_ws
from midnight.gold_to_serving.tsql.typed import Typed
from midnight.gold_to_serving.tsql.types import BIGINT, INT, MAXIMUM_BYTES, UNICODE, SqlType, nvarchar, varchar

_BYTES = {"bit": 1, "tinyint": 1, "smallint": 2, "int": 4, "bigint": 8, "real": 4, "float": 8, "date": 3, "datetime": 8}


def _only_text(f: FunctionCall, value: Typed) -> Typed:
    """Return a text argument; these functions do not convert numbers and dates implicitly."""
    if not value.type.is_text and not value.is_null:
        raise f.refused(f"{f.node.name} of {value.type} is an error in T-SQL", "CAST it to varchar(n)")
    return implicit_text(value, f.node.line) if value.type.is_text else f.text(0)


def _longest(text: Typed) -> int | None:
    if text.type.length is None:
        return None
    return MAXIMUM_BYTES // 2 if text.type.kind in UNICODE else MAXIMUM_BYTES


def _counting_type(text: Typed) -> SqlType:
    """Return int, or bigint for MAX."""
    return BIGINT if text.type.length is None else INT


def _count(sql: str, text: Typed) -> Typed:
    type_ = _counting_type(text)
    return Typed(f"CAST({sql} AS {type_.duckdb})", type_)


def _len(f: FunctionCall) -> Typed:
    text = f.text(0)
    return _count(f"length(rtrim({text.sql}, ' '))", text)


def _datalength(f: FunctionCall) -> Typed:
    value = f.value(0)
    kind = value.type.kind
    if value.type.is_text or kind == "varbinary":
        size = "octet_length" if kind == "varbinary" else "strlen"
        sql = f"2 * tsql.units({value.sql})" if kind in UNICODE else f"{size}({value.sql})"
        return _count(sql, value)
    if kind not in _BYTES:
        raise f.refused(f"DATALENGTH of {value.type} is not supported", "use a text or an integer")
    return Typed(f"CAST(CASE WHEN {value.sql} IS NOT NULL THEN {_BYTES[kind]} END AS INTEGER)", INT)


def _side(f: FunctionCall) -> Typed:
    text, count = f.text(0), f.value(1)
    if count.integer is not None and count.integer < 0:
        raise f.refused(f"{f.node.name} with a negative length is an error", "write a length of at least 0")
    length = f.whole(1) if count.integer is not None else f"tsql.not_negative({f.whole(1)})"
    return Typed(f"{f.node.name.lower()}({text.sql}, {length})", like_type(text, text.type.length))


def _substring(f: FunctionCall) -> Typed:
    text, start, length = _only_text(f, f.value(0)), f.value(1), f.value(2)
    if length.integer is not None and length.integer < 0:
        raise f.refused("SUBSTRING with a negative length is an error", "write a length of at least 0")
    count = f.whole(2) if length.integer is not None else f"tsql.not_negative({f.whole(2)})"
    type_ = like_type(text, text.type.length)
    if start.integer is not None and start.integer >= 1:
        return Typed(f"substr({text.sql}, {start.integer}, {count})", type_)
    return Typed(f"tsql.substring({text.sql}, CAST({f.whole(1)} AS BIGINT), CAST({count} AS BIGINT))", type_)


def _charindex(f: FunctionCall) -> Typed:
    pattern, text = f.text(0), f.text(1)
    if f.count == 2 and pattern.text:
        return _count(f"instr({text.sql}, {pattern.sql})", text)
    start = f"CAST({f.whole(2)} AS BIGINT)" if f.count == 3 else "CAST(1 AS BIGINT)"
    return _count(f"tsql.position({pattern.sql}, {text.sql}, {start})", text)


def _patindex(f: FunctionCall) -> Typed:
    text = f.text(1)
    return _count(patindex(f.constant_text(0, "the pattern"), text.sql, f.node.line), text)


def _replace(f: FunctionCall) -> Typed:
    text, old, new = f.text(0), f.text(1), f.text(2)
    unicode = any(part.type.kind in UNICODE for part in (text, old, new))
    type_ = SqlType("nvarchar" if unicode else "varchar", length=None if text.type.length is None else _longest(text))
    if unicode and type_.length is not None:
        type_ = nvarchar(MAXIMUM_BYTES // 2)
    if old.text == "":
        return Typed(text.sql, type_)
    pattern = old.sql if old.text is not None else f"nullif({old.sql}, '')"
    sql = f"replace({text.sql}, {pattern}, {new.sql})"
    if old.text is None:
        sql = f"CASE WHEN {old.sql} = '' THEN {text.sql} ELSE {sql} END"
    never_longer = old.text is not None and new.text is not None and len(new.text.encode()) <= len(old.text.encode())
    return Typed(sql if never_longer or type_.length is None else fit_text(sql, type_), type_)


def _stuff(f: FunctionCall) -> Typed:
    text, other = f.text(0), f.value(3)
    inserted = "NULL" if other.is_null else f.text(3).sql
    inserted_type = text.type if other.is_null else f.text(3).type
    type_ = concatenated_type([text.type, inserted_type])
    start, count = (f"CAST({f.whole(i)} AS BIGINT)" for i in (1, 2))
    sql = f"tsql.stuff({text.sql}, {start}, {count}, {inserted})"
    both = (text.type.length or 0) + (inserted_type.length or 0)
    if type_.length is not None and both > type_.length:
        sql = f"tsql.at_most({sql}, {MAXIMUM_BYTES})"
    return Typed(sql, type_)


def _replicate(f: FunctionCall) -> Typed:
    text, count = f.text(0), f.value(1)
    type_ = like_type(text, _longest(text))
    times = f.whole(1)
    if count.integer is not None and count.integer >= 0:
        sql = f"repeat({text.sql}, {times})"
    else:
        sql = f"tsql.replicate({text.sql}, CAST({times} AS BIGINT))"
    if count.integer is not None and text.text is not None and len(text.text) * count.integer <= MAXIMUM_BYTES // 4:
        return Typed(sql, type_)
    return Typed(fit_text(sql, type_), type_)


def _space(f: FunctionCall) -> Typed:
    count = f.whole(0)
    sql = (
        f"list_transform([CAST({count} AS BIGINT)], lambda n: CASE WHEN n >= 0 THEN repeat(' ', least(n, 8000)) END)[1]"
    )
    return Typed(sql, varchar(MAXIMUM_BYTES))


def _trim(f: FunctionCall) -> Typed:
    name = f.node.name
    first = f.node.arguments[0]
    if isinstance(first, s.Call) and first.name == "FROM":  # TRIM(characters FROM text)
        values = f.expressions.values(first.arguments, f.scope)
        blanks, text = (implicit_text(value, f.node.line) for value in values)
        if blanks.text is None:
            raise f.refused("TRIM: the characters must be a constant", "write TRIM('.,' FROM x)")
        return Typed(f"trim({text.sql}, {blanks.sql})", like_type(text, text.type.length))
    text = _only_text(f, f.value(0)) if name == "TRIM" else f.text(0)
    return Typed(f"{name.lower()}({text.sql}, ' ')", like_type(text, text.type.length))


def _case(f: FunctionCall) -> Typed:
    text = f.text(0)
    return Typed(f"tsql.{f.node.name.lower()}_of({text.sql})", like_type(text, text.type.length))


def _row(name: str, signature: str, example: str, translate: Translate, arguments: tuple[int, int]) -> Construct:
    page = f"functions/{name.lower().replace('_', '-')}-transact-sql"
    return Construct(name, "Text functions", signature, example, page, translate, arguments)


TEXT_FUNCTIONS = (
    _row("LEN", "LEN(text) → int; bigint for MAX", "LEN('ab  ') = 2", _len, (1, 1)),
    _row("DATALENGTH", "DATALENGTH(x) → int; bigint for MAX", "DATALENGTH('ab  ') = 4", _datalength, (1, 1)),
    _row("LEFT", "LEFT(text, n)", "LEFT('abcdefg', 2) = 'ab'", _side, (2, 2)),
    _row("RIGHT", "RIGHT(text, n)", "RIGHT('abcdefg', 2) = 'fg'", _side, (2, 2)),
    _row("SUBSTRING", "SUBSTRING(text, start, length)", "SUBSTRING('abcdef', 0, 3) = 'ab'", _substring, (3, 3)),
    _row(
        "CHARINDEX",
        "CHARINDEX(part, text [, start]) → int; bigint for MAX",
        "CHARINDEX('b', 'abc') = 2",
        _charindex,
        (2, 3),
    ),
    _row(
        "PATINDEX",
        "PATINDEX('%pattern%', text) → int; bigint for MAX",
        "PATINDEX('%[0-9]%', 'ab1') = 3",
        _patindex,
        (2, 2),
    ),
    _row("REPLACE", "REPLACE(text, old, new)", "REPLACE('abcde', 'cd', 'x') = 'abxe'", _replace, (3, 3)),
    _row("STUFF", "STUFF(text, start, length, new)", "STUFF('abcdef', 2, 3, 'ijklmn') = 'aijklmnef'", _stuff, (4, 4)),
    _row("REPLICATE", "REPLICATE(text, n)", "REPLICATE('0', 4) = '0000'", _replicate, (2, 2)),
    _row("SPACE", "SPACE(n)", "DATALENGTH(SPACE(2)) = 2", _space, (1, 1)),
    _row(
        "TRIM",
        "TRIM(text), TRIM('characters' FROM text)",
        "TRIM('.,! ' FROM '#   test   .') = '#   test'",
        _trim,
        (1, 1),
    ),
    _row("LTRIM", "LTRIM(text)", "LTRIM('  ab') = 'ab'", _trim, (1, 1)),
    _row("RTRIM", "RTRIM(text)", "RTRIM('ab  ') + '.' = 'ab.'", _trim, (1, 1)),
    _row("UPPER", "UPPER(text)", "UPPER('aé') = 'AÉ'", _case, (1, 1)),
    _row("LOWER", "LOWER(text)", "LOWER('AÉ') = 'aé'", _case, (1, 1)),
    _row("REVERSE", "REVERSE(text)", "REVERSE('abc') = 'cba'", characters.reverse, (1, 1)),
    _row(
        "TRANSLATE",
        "TRANSLATE(text, 'characters', 'replacements')",
        "TRANSLATE('2*[3+4]', '[]', '()') = '2*(3+4)'",
        characters.translate,
        (3, 3),
    ),
    _row("ASCII", "ASCII(text) → int, of ASCII characters", "ASCII('A') = 65", characters.code, (1, 1)),
    _row("UNICODE", "UNICODE(text) → int", "UNICODE(N'Å') = 197", characters.code, (1, 1)),
    _row("CHAR", "CHAR(n), 1 to 127", "CHAR(65) = 'A'", characters.char, (1, 1)),
    _row("NCHAR", "NCHAR(n), 1 to 55295", "NCHAR(248) = N'ø'", characters.char, (1, 1)),
    _row("CONCAT", "CONCAT(a, b, …): NULL is empty", "CONCAT('a', NULL, 1) = 'a1'", concat, (2, 254)),
    _row(
        "CONCAT_WS",
        "CONCAT_WS(separator, a, b, …): NULL is ignored",
        "CONCAT_WS(',', 'a', NULL, 'b') = 'a,b'",
        concat_ws,
        (3, 254),
    ),
    _row(
        "QUOTENAME", "QUOTENAME(text [, quote])", "QUOTENAME('abc[]def') = '[abc[]]def]'", characters.quotename, (1, 2)
    ),
    _row(
        "STR",
        "STR(integer [, length]) → varchar, right-justified",
        "STR(5, 3) = '  5'",
        characters.str_of_integer,
        (1, 3),
    ),
    _row(
        "HASHBYTES",
        "HASHBYTES('SHA2_256' | 'SHA1' | 'MD5', varchar) → varbinary",
        "HASHBYTES('MD5', 'a') = 0x0CC175…",
        characters.hashbytes,
        (2, 2),
    ),
)
