"""Functions that choose between values. Source: the pages of COALESCE, ISNULL, NULLIF, IIF, CHOOSE, GREATEST, LEAST."""

from __future__ import annotations

from midnight.gold_to_serving.tsql import syntax as s
from midnight.gold_to_serving.tsql.comparisons import compared, equality_key
from midnight.gold_to_serving.tsql.construct import Construct, FunctionCall, Translate
from midnight.gold_to_serving.tsql.conversions import convert
from midnight.gold_to_serving.tsql.formats import format_value
from midnight.gold_to_serving.tsql.sql_pieces import FormatRefusedError
from midnight.gold_to_serving.tsql.typed import Typed
from midnight.gold_to_serving.tsql.types import TEXTS, nvarchar


def _coalesce(f: FunctionCall) -> Typed:
    values = f.values()
    type_ = f.expressions.common_type(values, f.node.line, f.node.name)
    if type_.kind == "null":
        raise f.refused("COALESCE of NULL only", "write a typed value")
    return Typed(f"coalesce({', '.join(convert(v, type_, f.node.line).sql for v in values)})", type_)


# They return a text of the type of their first argument.
_SAME_LENGTH = ("ISNULL", "LOWER", "LTRIM", "NULLIF", "REVERSE", "RTRIM", "TRIM", "UPPER")


def _has_proved_length(node: s.Node) -> bool:
    """Whether the length of the text's type is exactly that of T-SQL, not only long enough."""
    if isinstance(node, s.Call) and node.name in _SAME_LENGTH:
        return _has_proved_length(node.arguments[0])
    if isinstance(node, s.Binary) and node.operator == "+":
        return _has_proved_length(node.left) and _has_proved_length(node.right)
    return isinstance(node, s.Name | s.Cast | s.Literal)


def _isnull(f: FunctionCall) -> Typed:
    """Returns the type of the first argument; a longer text is truncated."""
    value, other = f.values()
    if value.is_null:
        return other
    certain = value.type.length is None or _has_proved_length(f.node.arguments[0])
    if value.type.kind in TEXTS and not certain and (other.text is None or len(other.text) > 1):
        raise f.refused(
            "ISNULL truncates to the length of a computed text, which is not proved", "write COALESCE(a, b)"
        )
    second = convert(other, value.type, f.node.line, explicit=value.type.is_text)
    return Typed(f"coalesce({value.sql}, {second.sql})", value.type)


def _nullif(f: FunctionCall) -> Typed:
    """Returns the type of the first argument."""
    value, other = f.values()
    if value.is_null:
        raise f.refused("NULLIF(NULL, x) is an error in T-SQL", "write a value")
    if other.is_null:
        return value
    left, right = compared(value, other, f.node.line)
    if left.sql == equality_key(left) and left.type == value.type:
        return Typed(f"nullif({value.sql}, {right.sql})", value.type)
    return Typed(f"CASE WHEN {equality_key(left)} = {equality_key(right)} THEN NULL ELSE {value.sql} END", value.type)


def _iif(f: FunctionCall) -> Typed:
    condition = f.expressions.condition(f.node.arguments[0], f.scope)
    values = f.values(1)
    type_ = f.expressions.common_type(values, f.node.line, "IIF")
    if type_.kind == "null":
        raise f.refused("IIF returns only NULL", "write a typed value")
    yes, no = (convert(value, type_, f.node.line).sql for value in values)
    return Typed(f"(CASE WHEN {condition} THEN {yes} ELSE {no} END)", type_)


def _choose(f: FunctionCall) -> Typed:
    values = f.values(1)
    type_ = f.expressions.common_type(values, f.node.line, "CHOOSE")
    if type_.kind == "null":
        raise f.refused("CHOOSE returns only NULL", "write a typed value")
    branches = "".join(f" WHEN {n} THEN {convert(v, type_, f.node.line).sql}" for n, v in enumerate(values, 1))
    return Typed(f"(CASE {f.whole(0)}{branches} END)", type_)


def _extreme(f: FunctionCall) -> Typed:
    values = f.values()
    type_ = f.expressions.common_type(values, f.node.line, f.node.name)
    if type_.is_text or type_.kind in ("bit", "null", "varbinary"):
        raise f.refused(f"{f.node.name} of {type_} is not supported", "write CASE WHEN a > b THEN a ELSE b END")
    return Typed(f"{f.node.name.lower()}({', '.join(convert(v, type_, f.node.line).sql for v in values)})", type_)


def _format(f: FunctionCall) -> Typed:
    value = f.value(0)
    culture = f.constant_text(2, "the culture") if f.count == 3 else None
    try:
        return Typed(format_value(value.sql, value.type, f.constant_text(1, "the pattern"), culture), nvarchar(4000))
    except FormatRefusedError as error:
        raise f.refused(error.problem, error.hint) from None


def _row(name: str, signature: str, example: str, translate: Translate, arguments: tuple[int, int]) -> Construct:
    page = f"{_PAGES.get(name, f'functions/{name.lower()}')}-transact-sql"
    return Construct(name, "Choice and formatting", signature, example, page, translate, arguments)


_PAGES = {"COALESCE": "language-elements/coalesce", "NULLIF": "language-elements/nullif"} | {
    name: f"functions/logical-functions-{name.lower()}" for name in ("IIF", "CHOOSE", "GREATEST", "LEAST")
}
LOGIC_FUNCTIONS = (
    _row(
        "COALESCE",
        "COALESCE(a, b, …): the type of highest precedence",
        "COALESCE(NULL, 2, 1.5) = 2.0",
        _coalesce,
        (2, 254),
    ),
    _row(
        "ISNULL",
        "ISNULL(a, b): the type and length of a",
        "ISNULL(CAST(NULL AS varchar(2)), 'abc') = 'ab'",
        _isnull,
        (2, 2),
    ),
    _row("NULLIF", "NULLIF(a, b): the type of a", "NULLIF(0, 0) IS NULL", _nullif, (2, 2)),
    _row("IIF", "IIF(condition, a, b)", "IIF(1 > 2, 'a', 'b') = 'b'", _iif, (3, 3)),
    _row("CHOOSE", "CHOOSE(n, a, b, …): NULL if out of range", "CHOOSE(2, 'a', 'b') = 'b'", _choose, (2, 254)),
    _row(
        "GREATEST",
        "GREATEST(a, b, …) of numbers or dates; NULL is ignored",
        "GREATEST('6.62', 3.1415, 7) = 7.0000",
        _extreme,
        (1, 254),
    ),
    _row(
        "LEAST",
        "LEAST(a, b, …) of numbers or dates; NULL is ignored",
        "LEAST(6.62, 3.1415, 7) = 3.1415",
        _extreme,
        (1, 254),
    ),
    _row(
        "FORMAT",
        "FORMAT(number or date, 'pattern' [, 'en-US']) → nvarchar(4000)",
        "FORMAT(0.256, 'P1') = '25.6 %'",
        _format,
        (2, 3),
    ),
)
