"""The types of simple expressions over the inputs' columns, to find columns that a UNION casts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from midnight.silver_to_gold.refresh.branches import Branch, Output
from midnight.silver_to_gold.refresh.functions import call_name
from midnight.silver_to_gold.spark_sql.dialect import spark_text
from midnight.silver_to_gold.spark_sql.types import type_name

if TYPE_CHECKING:
    from sqlglot import exp

_LARGEST_INT = 2**31 - 1
_TEXT = {"upper", "lower", "concat", "concat_ws", "date_format", "lpad", "rpad", "substring", "substr", "replace"}
_SAME = {"coalesce", "nvl", "ifnull", "greatest", "least", "nullif"}


def value_type(branch: Branch, output: Output) -> str | None:
    """The type of an output, ``void`` for NULL; None where it is not known."""
    return None if output.value is None else _type(output.value, branch)


def _type(node: exp.Expr, branch: Branch) -> str | None:
    from sqlglot import exp

    while isinstance(node, exp.Paren):
        node = node.this
    name = call_name(node)
    if isinstance(node, exp.Case):
        results = [part.args["true"] for part in node.args["ifs"]]
        return _common([*results, node.args.get("default") or exp.Null()], branch)
    if name in _SAME:
        return _common(node.expressions, branch)
    return "string" if name in _TEXT else _simple_type(node, branch)


def _simple_type(node: exp.Expr, branch: Branch) -> str | None:
    """The type of a column, a cast, a constant or a comparison."""
    from sqlglot import exp

    found = None
    if isinstance(node, exp.Column):
        found = next((atom.type_of(node.name) for atom in branch.atoms if atom.name == node.table), None)
    elif isinstance(node, exp.Cast):
        found = type_name(spark_text(node.to))
    elif isinstance(node, exp.Null):
        found = "void"
    elif isinstance(node, exp.Literal) and node.is_string:
        found = "string"
    elif isinstance(node, exp.Literal) and node.is_int and int(node.name) <= _LARGEST_INT:
        found = "int"
    elif isinstance(node, exp.Boolean | exp.Predicate):
        found = "boolean"
    return found


def _common(nodes: list[exp.Expr], branch: Branch) -> str | None:
    kinds = {_type(node, branch) for node in nodes} - {"void"}
    return next(iter(kinds)) if len(kinds) == 1 else None if kinds else "void"
