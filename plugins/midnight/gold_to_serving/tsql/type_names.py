"""Names of T-SQL types."""

from __future__ import annotations

from functools import cache

from midnight.gold_to_serving.tsql import syntax as s
from midnight.gold_to_serving.tsql.parse_expression import ExpressionParser
from midnight.gold_to_serving.tsql.problems import RefusedError
from midnight.gold_to_serving.tsql.tokens import tokenize
from midnight.gold_to_serving.tsql.types import SqlType, make_type

_HINTS = {
    "money": "write decimal(19,4)",
    "smallmoney": "write decimal(10,4)",
    "smalldatetime": "write datetime2(0)",
    "text": "write varchar(max)",
    "ntext": "write nvarchar(max)",
    "datetimeoffset": "write datetime2 in UTC",
    "uniqueidentifier": "keep it as varchar(36)",
}


def type_of(name: s.TypeName, default_length: int) -> SqlType:
    """Return the type of a name in a query.

    Raises:
        RefusedError: not a type, or one without a proved counterpart.
    """
    try:
        found = make_type(name.name, name.arguments, default_length)
    except ValueError as error:
        raise RefusedError(name.line, str(error)) from None
    if found is None or found.kind in ("datetimeoffset", "uniqueidentifier"):
        hint = _HINTS.get(name.name.lower(), "docs/tsql.md lists the types")
        raise RefusedError(name.line, f"type {name.name} is not supported", hint)
    return found


@cache
def parse_type(text: str) -> SqlType:
    """Parse a T-SQL type of a base view: ``DECIMAL(10,2)``, ``VARCHAR(MAX) COLLATE …``.

    Raises:
        RefusedError: not a type that is translated.
    """
    name = ExpressionParser(tokenize(text.partition(" COLLATE")[0])).type_name()
    return type_of(name, 1)
