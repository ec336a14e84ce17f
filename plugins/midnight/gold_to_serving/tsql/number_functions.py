"""Functions of numbers. Source: "Mathematical functions (Transact-SQL)" and their pages."""

from __future__ import annotations

from decimal import Decimal

from midnight.gold_to_serving.tsql.construct import Construct, FunctionCall, Translate
from midnight.gold_to_serving.tsql.conversions import convert
from midnight.gold_to_serving.tsql.float_digits import round_float
from midnight.gold_to_serving.tsql.operators import from_unscaled, unscaled
from midnight.gold_to_serving.tsql.typed import Typed
from midnight.gold_to_serving.tsql.types import FLOAT, INT, MAX_PRECISION, decimal

_SAME = ("int", "bigint", "decimal", "float")


def _number(f: FunctionCall, index: int = 0) -> Typed:
    """Convert a number to the types that these functions keep: small integers become int, real and texts float."""
    value = f.value(index)
    kind = value.type.kind
    if kind in _SAME:
        return value
    if kind in ("tinyint", "smallint", "null"):
        return convert(value, INT, f.node.line)
    if kind == "real" or value.type.is_text:
        return convert(value, FLOAT, f.node.line)
    raise f.refused(f"{f.node.name} of {value.type} is not supported", "CAST it to a number")


def _float(f: FunctionCall, index: int = 0) -> str:
    value = f.value(index)
    if not (value.type.is_number or value.type.is_text or value.is_null):
        raise f.refused(f"{f.node.name} of {value.type} is not supported", "CAST it to float")
    return convert(value, FLOAT, f.node.line).sql


def _abs(f: FunctionCall) -> Typed:
    value = _number(f)
    return Typed(f"abs({value.sql})", value.type)


def _sign(f: FunctionCall) -> Typed:
    value = _number(f)
    return Typed(f"CAST(sign({value.sql}) AS {value.type.duckdb})", value.type)


def _whole(f: FunctionCall) -> Typed:
    value = _number(f)
    if value.type.is_integer:
        return value
    type_ = decimal(value.type.precision, 0) if value.type.kind == "decimal" else FLOAT
    return Typed(f"CAST({'ceil' if f.node.name == 'CEILING' else 'floor'}({value.sql}) AS {type_.duckdb})", type_)


def _round(f: FunctionCall) -> Typed:
    value, places = _number(f), f.value(1)
    cut = f.count == 3 and f.value(2).integer != 0
    if f.count == 3 and f.value(2).integer is None:
        raise f.refused("ROUND: the third argument must be a constant", "write 0 to round, 1 to truncate")
    count = _places(f, places)
    if value.type.kind == "float":
        return Typed(round_float(value.sql, count, cut_off=cut), FLOAT)
    drop = value.type.scale - count
    if drop <= 0:
        return Typed(value.sql, value.type)
    if drop > MAX_PRECISION - 1:
        raise f.refused(f"ROUND to {count} places is not supported", "write fewer places")
    power = f"CAST('1{'0' * drop}' AS HUGEINT)"
    digits = unscaled(value)
    kept = f"({digits} // {power})" if cut else f"tsql.scaled_down({digits}, {power})"
    result = f"({kept} * {power})"
    if value.type.kind == "decimal":
        return Typed(from_unscaled(result, value.type), value.type)
    return Typed(f"CAST({result} AS {value.type.duckdb})", value.type)


def _places(f: FunctionCall, places: Typed) -> int:
    if places.integer is None:
        raise f.refused("ROUND: the number of places must be a constant", "write the number")
    return places.integer


def _power(f: FunctionCall) -> Typed:
    value = _number(f)
    exponent = f.value(1)
    power = f"tsql.finite(pow({convert(value, FLOAT, f.node.line).sql}, {_float(f, 1)}))"
    if value.type.kind == "float":
        return Typed(power, FLOAT)
    if _is_whole(exponent) and value.type.kind != "decimal":
        return Typed(f"CAST(trunc({power}) AS {value.type.duckdb})", value.type)
    if exponent.integer is None or exponent.integer < 0:
        raise f.refused(
            f"POWER of {value.type}: the exponent must be a whole constant", "write POWER(CAST(x AS float), y)"
        )
    type_ = decimal(MAX_PRECISION, value.type.scale) if value.type.kind == "decimal" else value.type
    return convert(Typed(power, FLOAT), type_, f.node.line)


def _is_whole(exponent: Typed) -> bool:
    return isinstance(exponent.constant, int | Decimal) and exponent.constant == int(exponent.constant)


def _square(f: FunctionCall) -> Typed:
    return Typed(f"tsql.finite(pow({_float(f)}, 2))", FLOAT)


def _log(f: FunctionCall) -> Typed:
    if f.count == 1:
        return Typed(f"ln({_float(f)})", FLOAT)
    base = f.value(1)
    if base.constant is None:
        raise f.refused("LOG: the base must be a constant", "write LOG(x) / LOG(base)")
    return Typed(f"tsql.finite(ln({_float(f)}) / ln({_float(f, 1)}))", FLOAT)


def _plain(duckdb: str, finite: bool = False) -> Translate:
    def translate(f: FunctionCall) -> Typed:
        sql = f"{duckdb}({_float(f)})"
        return Typed(f"tsql.finite({sql})" if finite else sql, FLOAT)

    return translate


def _atn2(f: FunctionCall) -> Typed:
    return Typed(f"atan2({_float(f)}, {_float(f, 1)})", FLOAT)


def _pi(f: FunctionCall) -> Typed:
    return Typed("pi()", FLOAT)


def _angle(f: FunctionCall) -> Typed:
    value = f.value(0)
    if value.type.kind != "float":
        raise f.refused(f"{f.node.name} of {value.type} keeps that type in T-SQL", "CAST it to float")
    return Typed(f"{f.node.name.lower()}({value.sql})", FLOAT)


def _row(
    name: str, signature: str, example: str, translate: Translate, arguments: tuple[int, int] = (1, 1)
) -> Construct:
    page = f"functions/{name.lower()}-transact-sql"
    return Construct(name, "Functions of numbers", signature, example, page, translate, arguments)


NUMBER_FUNCTIONS = (
    _row("ABS", "ABS(number): keeps the type", "ABS(-1.0) = 1.0", _abs),
    _row("SIGN", "SIGN(number): keeps the type", "SIGN(-125) = -1", _sign),
    _row("CEILING", "CEILING(number): decimal(p,s) gives decimal(p,0)", "CEILING(-123.45) = -123", _whole),
    _row("FLOOR", "FLOOR(number): decimal(p,s) gives decimal(p,0)", "FLOOR(-123.45) = -124", _whole),
    _row(
        "ROUND",
        "ROUND(number, places [, 1 to truncate]): keeps the type",
        "ROUND(150.75, 0, 1) = 150.00",
        _round,
        (2, 3),
    ),
    _row("POWER", "POWER(number, exponent): the type of the number", "POWER(2, 3) = 8", _power, (2, 2)),
    _row("SQUARE", "SQUARE(number) → float", "SQUARE(3) = 9", _square),
    _row("SQRT", "SQRT(number) → float", "SQRT(4) = 2", _plain("sqrt")),
    _row("EXP", "EXP(number) → float", "EXP(0) = 1", _plain("exp", finite=True)),
    _row("LOG", "LOG(number [, base]) → float", "LOG(1) = 0", _log, (1, 2)),
    _row("LOG10", "LOG10(number) → float", "LOG10(100) = 2", _plain("log10")),
    _row("PI", "PI() → float", "PI() = 3.14159265358979", _pi, (0, 0)),
    _row("SIN", "SIN(number) → float", "SIN(0) = 0", _plain("sin")),
    _row("COS", "COS(number) → float", "COS(0) = 1", _plain("cos")),
    _row("TAN", "TAN(number) → float", "TAN(0) = 0", _plain("tan")),
    _row("COT", "COT(number) → float", "COT(PI()/4) = 1", _plain("cot")),
    _row("ASIN", "ASIN(number) → float", "ASIN(0) = 0", _plain("asin")),
    _row("ACOS", "ACOS(number) → float", "ACOS(1) = 0", _plain("acos")),
    _row("ATAN", "ATAN(number) → float", "ATAN(0) = 0", _plain("atan")),
    _row("ATN2", "ATN2(y, x) → float", "ATN2(0, 1) = 0", _atn2, (2, 2)),
    _row("DEGREES", "DEGREES(float)", "DEGREES(PI()) = 180", _angle),
    _row("RADIANS", "RADIANS(float)", "RADIANS(CAST(180 AS float)) = PI()", _angle),
)
