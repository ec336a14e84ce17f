"""T-SQL to DuckDB by sqlglot, with the types of the columns known, and what sqlglot leaves out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sqlglot import exp  # noqa: TID253 - no DAG file imports this module
from sqlglot.errors import ErrorLevel  # noqa: TID253 - as above
from sqlglot.optimizer.annotate_types import annotate_types  # noqa: TID253 - as above
from sqlglot.optimizer.qualify import qualify  # noqa: TID253 - as above
from sqlglot.schema import MappingSchema  # noqa: TID253 - as above

from midnight.column_types import tsql_type
from midnight.gold_to_serving.base_views import BASE_SCHEMA, BaseView

# Synapse's UTF-8 binary collation makes names case-sensitive.
DIALECT = "tsql, normalization_strategy = case_sensitive"
Schema = dict[str, dict[str, dict[str, Any]]]

# T-SQL functions that sqlglot passes on by name.
_NUMBER_FORMATS = {"N0": "{:,.0f}", "#,0": "{:,.0f}", "N1": "{:,.1f}", "N2": "{:,.2f}", "0": "{:.0f}", "0.0": "{:.1f}"}
_NUMBER_FORMATS |= {"0.00": "{:.2f}", "00": "{:02.0f}", "P0": "{:.0f}%", "P1": "{:.1f}%"}
_NUMBER_CASES = " ".join(
    f"WHEN '{pattern}' THEN format('{shown}', CAST(number AS DOUBLE){' * 100' if pattern[0] == 'P' else ''})"
    for pattern, shown in _NUMBER_FORMATS.items()
)
DUCKDB_MACROS = (
    "CREATE MACRO getutcdate() AS make_timestamp(epoch_us(current_timestamp))",
    "CREATE MACRO sysutcdatetime() AS make_timestamp(epoch_us(current_timestamp))",
    f"CREATE MACRO number_to_str(number, pattern) AS CASE upper(pattern) {_NUMBER_CASES} ELSE "
    f"error('FORMAT with ' || pattern || ' is not known locally; use one of {', '.join(_NUMBER_FORMATS)}') END",
)


def schema_of(base_views: Sequence[BaseView]) -> Schema:
    """Column types of the base views as sqlglot wants them; reporting views are added as they are resolved."""
    schema: Schema = {BASE_SCHEMA: {}, "reporting": {}}
    for view in (view for view in base_views if view.columns):
        schema[BASE_SCHEMA][view.name] = {
            column.name: exp.DataType.build(tsql_type(column.type).partition("(MAX)")[0], dialect="tsql")
            for column in view.columns
        }
    return schema


def resolve(query: exp.Expr, schema: Schema) -> Any:
    """The query with every column resolved to its view, and the type of every expression.

    Raises:
        SqlglotError: a column that does not exist, or that two views have.
    """
    known = MappingSchema(dict(schema), dialect=DIALECT)
    resolved = qualify(query.copy(), schema=known, dialect=DIALECT, expand_alias_refs=False, quote_identifiers=False)
    return annotate_types(resolved, schema=known, dialect=DIALECT)


def to_duckdb(query: exp.Expr) -> str:
    """A resolved query in DuckDB's SQL.

    Raises:
        SqlglotError: sqlglot knows no counterpart for something in it.
    """
    translated = query.copy()
    for node in reversed(list(translated.walk(bfs=True))):  # the inner ones first
        counterpart = _as_duckdb(node)
        if counterpart is not node:
            node.replace(counterpart)
    return translated.sql(dialect="duckdb", identify=True, pretty=True, unsupported_level=ErrorLevel.RAISE)


def _as_duckdb(node: exp.Expr) -> exp.Expr:
    """What sqlglot translates wrongly, or not at all; the node itself where it is right."""
    for kind, translate in _COUNTERPARTS.items():
        if isinstance(node, kind):
            return translate(node)
    if isinstance(node, exp.Add) and (_is_text(node.left) or _is_text(node.right)):
        return exp.DPipe(this=node.left.copy(), expression=node.right.copy())
    if isinstance(node, exp.DateAdd) and node.this.is_type("date"):
        return exp.cast(node.copy(), "date")  # DuckDB makes it a timestamp
    total = node.this if isinstance(node, exp.Window) else node
    if isinstance(total, exp.Sum) and total.this.is_type(*exp.DataType.INTEGER_TYPES):
        return node if isinstance(node.parent, exp.Window) else exp.cast(node.copy(), "bigint")  # not HUGEINT
    return node


def _type_as_duckdb(node: exp.DataType) -> exp.DataType:
    if node.this == exp.DataType.Type.FLOAT:
        # T-SQL's FLOAT has 53 bits unless it says FLOAT(1) to FLOAT(24); sqlglot makes it REAL.
        bits = int(node.expressions[0].name) if node.expressions else 53
        return exp.DataType.build("FLOAT" if bits <= 24 else "DOUBLE", dialect="duckdb")
    if node.this == exp.DataType.Type.BIT:
        return exp.DataType.build("BOOLEAN", dialect="duckdb")  # DuckDB's BIT is a string of bits
    return node


def _text_cut_to_length(node: exp.Cast) -> exp.Expr:
    """DuckDB ignores the length of VARCHAR(n); T-SQL cuts off, at 30 where CAST gives none."""
    if node.to.this not in exp.DataType.TEXT_TYPES:
        return node
    length = node.to.expressions[0].name if node.to.expressions else "30"
    if not length.isdigit():
        return node
    plain = type(node)(this=node.this.copy(), to=exp.DataType.build("VARCHAR", dialect="duckdb"))
    return exp.Left(this=plain, expression=exp.Literal.number(length))


def _is_text(node: exp.Expr) -> bool:
    return bool(node.is_type(*exp.DataType.TEXT_TYPES))


_COUNTERPARTS: dict[type[exp.Expr], Callable[..., exp.Expr]] = {
    exp.DataType: _type_as_duckdb,
    exp.Cast: _text_cut_to_length,
    # T-SQL's has no zone, and Azure's clock is UTC
    exp.CurrentTimestamp: lambda node: exp.Anonymous(this="getutcdate"),
    exp.National: lambda node: exp.Literal.string(node.name),
    exp.NumberToStr: lambda node: exp.Anonymous(
        this="number_to_str", expressions=[node.this.copy(), node.args["format"].copy()]
    ),
}
