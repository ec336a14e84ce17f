"""The columns of an expression, each with its use."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from midnight.lineage.column_uses import SourceColumn, Use, Uses, add_uses
from midnight.lineage.relations import Scope

if TYPE_CHECKING:
    from sqlglot import exp


class ReadExpressions:
    """Follows the columns of one statement's expressions.

    ``reads`` are all that it names; ``unknown`` says in its keys what could not be followed, and why.
    """

    def __init__(self) -> None:
        self.reads: set[SourceColumn] = set()
        self.unknown: dict[str, None] = {}

    def subquery(self, node: exp.Expr, scope: Scope) -> tuple[dict[str, Uses], Uses]:
        """The result columns and the conditions of a query in an expression."""
        raise NotImplementedError

    def uses(self, node: exp.Expr, scope: Scope, use: Use = "identity") -> Uses:
        """The columns of an expression.

        Args:
            node: the expression.
            scope: what it can name.
            use: of the expression's value.
        """
        found: Uses = {}
        self._follow(node, scope, use, found)
        return found

    def _follow(self, node: exp.Expr, scope: Scope, use: Use, found: Uses) -> None:
        from sqlglot import exp

        if isinstance(node, exp.Column):
            names = [part.name.casefold() for part in node.parts]
            uses = scope.find(names[-1], node.table.casefold())
            if uses is None and len(names) > 2:
                uses = scope.find(names[0])  # a field of a struct in a struct
            if uses:
                self.reads |= uses.keys()
                add_uses(found, uses, use)
            elif uses is None:
                name = ".".join(part.name for part in node.parts)
                self.unknown[f"names {name!r}, which nothing in its FROM has"] = None
            return
        if isinstance(node, exp.Query):
            outputs, conditions = self.subquery(node, scope)
            for uses in outputs.values():
                add_uses(found, uses, use)
            add_uses(found, conditions, use)
            return
        for child, of_child in _children(node, use, scope):
            self._follow(child, scope, of_child, found)


def _children(node: exp.Expr, use: Use, scope: Scope) -> Iterator[tuple[exp.Expr, Use]]:
    """The parts of an expression, each with its use in the whole."""
    from sqlglot import exp

    computed: Use = "transformation" if use == "identity" else use
    decides: Use = "condition" if use in ("identity", "transformation", "aggregation") else use
    if isinstance(node, exp.Alias | exp.Paren):
        yield node.this, use
    elif isinstance(node, exp.Case):
        if node.this is not None:
            yield node.this, decides
        for branch in node.args["ifs"]:
            yield branch.this, decides
            yield branch.args["true"], computed
        if node.args.get("default") is not None:
            yield node.args["default"], computed
    elif isinstance(node, exp.If):
        yield node.this, decides
        yield from ((node.args[name], computed) for name in ("true", "false") if node.args.get(name) is not None)
    elif isinstance(node, exp.Filter):
        yield node.this, use
        yield node.expression, decides
    elif isinstance(node, exp.Window):
        window: Use = "window" if decides == "condition" else use
        yield node.this, use
        yield from ((child, window) for child in node.iter_expressions() if child is not node.this)
    elif isinstance(node, exp.AggFunc | exp.WithinGroup):
        aggregated: Use = "aggregation" if use in ("identity", "transformation") else use
        yield from ((child, aggregated) for child in node.iter_expressions())
    else:
        yield from ((child, computed) for child in node.iter_expressions())
