"""What a reporting view may not say, because Synapse serverless refuses it or DuckDB would answer differently.

sqlfluff (in `make lint` and the tests) is the judge of T-SQL's grammar. These rules run before every publication and
need the types of the columns for some of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from sqlglot import exp  # noqa: TID253 - no DAG file imports this module
from sqlglot.dialects.tsql import TSQL  # noqa: TID253 - as above
from sqlglot.tokens import Token, TokenType  # noqa: TID253 - as above

_FORBIDDEN_TOKENS = {
    TokenType.LIMIT: "T-SQL has no LIMIT; write SELECT TOP (n) … ORDER BY …",
    TokenType.DCOLON: "T-SQL has no '::'; write CAST(x AS type)",
    TokenType.DPIPE: "T-SQL has no '||'; write CONCAT(a, b)",
    TokenType.HASH: "a view cannot read a temporary table",
    TokenType.PARAMETER: "a view has no variables; write the value, or join a table that holds it",
    TokenType.USING: "T-SQL has no USING; write ON a.x = b.x",
    TokenType.TRUE: "T-SQL has no TRUE; compare a BIT column with = 1",
    TokenType.FALSE: "T-SQL has no FALSE; compare a BIT column with = 0",
    TokenType.QUALIFY: "T-SQL has no QUALIFY; filter the window function in an outer SELECT",
    TokenType.ILIKE: "T-SQL has no ILIKE; write LOWER(x) LIKE …",
}
_FORBIDDEN_WORDS = {
    "OPTION": "query options cannot stand in a view",
    "NOLOCK": "Synapse serverless has no table hints",
    "OPENROWSET": "a reporting view reads the base views gold.*, which are generated, not files",
    "OPENQUERY": "Synapse serverless has no linked servers",
    "SCHEMABINDING": "Synapse serverless has no schema-bound views",
}
_INTEGERS = (exp.DataType.Type.TINYINT, exp.DataType.Type.SMALLINT, exp.DataType.Type.INT, exp.DataType.Type.BIGINT)
_BITS = (exp.DataType.Type.BIT, exp.DataType.Type.BOOLEAN)
_DATEFIRST_PARTS = ("WEEKDAY", "DW", "W", "DAYOFWEEK", "WEEK", "WK", "WW")

Finding = tuple[int | None, str]
Rule = Callable[[exp.Expr], str | None]


def tokens_of(sql: str) -> list[Token]:
    """The tokens of T-SQL text."""
    return TSQL().tokenize(sql)


def check_tokens(tokens: list[Token]) -> Iterator[Finding]:
    """Words that the parser would accept or drop in silence."""
    for token in tokens:
        message = _FORBIDDEN_TOKENS.get(token.token_type) or (
            _FORBIDDEN_WORDS.get(token.text.upper()) if token.token_type is not TokenType.STRING else None
        )
        if message:
            yield token.line, message


def check_shape(query: exp.Expr) -> Iterator[Finding]:
    """Rules that need no types."""
    for node in query.walk():
        for rule in _SHAPE_RULES:
            message = rule(node)
            if message:
                yield line_of(node), message


def check_types(query: exp.Expr) -> Iterator[Finding]:
    """Rules over a query whose columns are resolved and whose types are known."""
    for node in query.walk():
        if isinstance(node, exp.Avg) and node.this.is_type(*_INTEGERS):
            yield line_of(node), f"{_text(node)} is an integer in T-SQL (it cuts off); write AVG(CAST(… AS float))"
        if isinstance(node, exp.Sum | exp.Avg | exp.Min | exp.Max) and node.this.is_type(*_BITS):
            yield line_of(node), f"{_text(node)}: T-SQL does not aggregate BIT; write CAST(… AS int) inside"


def line_of(node: exp.Expr) -> int | None:
    """Line (from 1) of the first name inside a node."""
    for part in node.walk():
        line = part.meta.get("line")
        if line:
            return int(line)
    return None


def _sorted_without_top(node: exp.Expr) -> str | None:
    if (
        isinstance(node, exp.Query)
        and node.args.get("order")
        and not (node.args.get("limit") or node.args.get("offset"))
    ):
        return "ORDER BY is allowed in a view only beside TOP; leave sorting to who reads the view"
    return None


def _star(node: exp.Expr) -> str | None:
    if isinstance(node, exp.Star) and not isinstance(node.parent, exp.Count):
        return "name the columns instead of '*': Synapse keeps those of the day the view was made"
    return None


def _into(node: exp.Expr) -> str | None:
    return "a view cannot create a table (INTO)" if isinstance(node, exp.Into) else None


def _division(node: exp.Expr) -> str | None:
    if not isinstance(node, exp.Div | exp.Mod):
        return None
    divisor = node.expression.unnest()
    while isinstance(divisor, exp.Cast):
        divisor = divisor.this.unnest()
    if isinstance(divisor, exp.Nullif) or (isinstance(divisor, exp.Literal) and divisor.name.strip("0.") != ""):
        return None
    return f"{_text(node)}: a zero stops the whole query in T-SQL; divide by NULLIF(…, 0)"


def _unnamed_column(node: exp.Expr) -> str | None:
    """Only the first SELECT of a UNION gives names."""
    if not isinstance(node, exp.Select) or not _gives_names(node):
        return None
    if not node.expressions:
        return "SELECT names no column"
    unnamed = [_text(column) for column in node.selects if not column.output_name and not column.is_star]
    if unnamed:
        return f"{unnamed[0]} needs a name: AS …"
    names = [column.output_name.casefold() for column in node.selects]
    twice = sorted({name for name in names if names.count(name) > 1})
    return f"column {twice[0]!r} is selected twice; give one another name" if twice else None


def _gives_names(node: exp.Select) -> bool:
    if isinstance(node.parent, exp.SetOperation):
        return node.arg_key == "this"
    return isinstance(node.parent, exp.Create | exp.CTE | exp.Subquery | None)


def _condition_as_value(node: exp.Expr) -> str | None:
    if isinstance(node, exp.Select):
        for column in node.selects:
            value = column.unalias().unnest()
            if isinstance(value, exp.Predicate | exp.Connector | exp.Not) and not isinstance(
                value, exp.SubqueryPredicate
            ):
                return f"{_text(column)}: T-SQL cannot select a condition; write CASE WHEN … THEN 1 ELSE 0 END"
    return None


def _value_as_condition(node: exp.Expr) -> str | None:
    places = [node.this] if isinstance(node, exp.Where | exp.Having | exp.If | exp.Not) else []
    places += [node.this, node.expression] if isinstance(node, exp.Connector) else []
    places += [node.args["on"]] if isinstance(node, exp.Join) and node.args.get("on") else []
    if isinstance(node, exp.If) and isinstance(node.parent, exp.Case) and node.parent.this:
        return None  # CASE x WHEN value
    for place in places:
        if isinstance(place.unnest(), exp.Column):
            return f"{_text(place)} is no condition in T-SQL; write {_text(place)} = 1"
    return None


def _group_by_position(node: exp.Expr) -> str | None:
    if isinstance(node, exp.Group) and any(isinstance(item, exp.Literal) for item in node.expressions):
        return "T-SQL cannot group by position; repeat the expression"
    return None


def _depends_on_datefirst(node: exp.Expr) -> str | None:
    part = node.args.get("unit") if isinstance(node, exp.DateDiff) else None
    if isinstance(node, exp.Extract):
        part = node.this
    if part is not None and part.name.upper() in _DATEFIRST_PARTS:
        return f"{_text(node)} depends on settings of the session; take the day or week from a date dimension"
    return None


_SHAPE_RULES: tuple[Rule, ...] = (
    _sorted_without_top,
    _star,
    _into,
    _division,
    _unnamed_column,
    _condition_as_value,
    _value_as_condition,
    _group_by_position,
    _depends_on_datefirst,
)


def _text(node: exp.Expr) -> str:
    text = node.sql(dialect="tsql")
    return text if len(text) <= 60 else text[:57] + "..."
