"""The syntax tree of a model's query as it is analysed: without common table expressions, with numbered tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from midnight.silver_to_gold.spark_sql.dialect import parse_statements, spark_text

if TYPE_CHECKING:
    from sqlglot import exp

_NUMBER = "occurrence"
_CommonTables = Mapping[str, tuple["exp.Expr", "list[exp.Expr]"]]


class TooComplexError(Exception):
    """The query has a form that is not followed; the message says which one."""


def parse_expanded(sql: str) -> exp.Expr:
    """The tree of a query, in which each use of a common table expression is a subquery, and each table has a number.

    Raises:
        TooComplexError: the query is recursive.
        sqlglot.errors.SqlglotError: it is not Spark SQL.
    """
    tree = _expanded(parse_statements(sql)[0], {})
    for number, table in enumerate(tables_of(tree), start=1):
        table.meta[_NUMBER] = number
    return tree


def tables_of(tree: exp.Expr) -> Iterator[exp.Table]:
    """The tables of a query and all queries in it, except table functions."""
    from sqlglot import exp

    return (table for table in tree.find_all(exp.Table, bfs=False) if isinstance(table.this, exp.Identifier))


def number_of(table: exp.Table) -> int:
    """The number of a table in its query."""
    return int(table.meta[_NUMBER])


def with_tables(tree: exp.Expr, views: Mapping[int, str]) -> str:
    """Spark SQL of the query that reads other views in place of some tables.

    Raises:
        TooComplexError: its text cannot be written so that it parses as the same query.
    """
    from sqlglot import exp

    tree = tree.copy()
    for table in list(tables_of(tree)):
        view = views.get(number_of(table))
        if view is None:
            continue
        if not table.alias:
            table.set("alias", exp.TableAlias(this=table.this.copy()))
        table.set("this", exp.to_identifier(view))
    text = spark_text(tree)
    if parse_statements(text)[0] != tree:
        raise TooComplexError("it has an expression that cannot be written again without a change")
    return text


def _expanded(node: exp.Expr, tables: _CommonTables) -> exp.Expr:
    from sqlglot import exp

    with_ = node.args.get("with_")
    if with_ is not None:
        if with_.args.get("recursive"):
            raise TooComplexError("WITH RECURSIVE is not followed")
        for cte in with_.expressions:
            columns = list(cte.args["alias"].args.get("columns") or [])
            tables = {**tables, cte.alias.casefold(): (_expanded(cte.this, tables), columns)}
        node.set("with_", None)
    for child in list(node.iter_expressions()):
        found = _expanded(child, tables)
        if found is not child:
            child.replace(found)
    if not isinstance(node, exp.Table) or node.db or node.name.casefold() not in tables:
        return node
    if not isinstance(node.this, exp.Identifier):
        return node
    body, columns = tables[node.name.casefold()]
    alias = node.args.get("alias")
    named = exp.TableAlias(
        this=exp.to_identifier(node.alias_or_name), columns=(alias and alias.args.get("columns")) or columns
    )
    body = body.this if isinstance(body, exp.Subquery) and body.is_wrapper else body
    kept = {name: value for name in ("joins", "pivots", "sample", "laterals") if (value := node.args.get(name))}
    return exp.Subquery(this=body.copy(), alias=named.copy(), **kept)
