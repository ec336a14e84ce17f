"""Which columns of a gold query are pseudonyms: masked columns of silver that it returns unchanged."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from midnight.configuration.tables import Table

if TYPE_CHECKING:
    from sqlglot import exp
    from sqlglot.optimizer.scope import Scope


def masked_names(tables: Sequence[Table]) -> dict[str, frozenset[str]]:
    """Silver table -> its masked columns, in lower case; only tables with masked columns."""
    found = {t.silver.casefold(): frozenset(c.name.casefold() for c in t.masked_columns if not c.drop) for t in tables}
    return {name: columns for name, columns in found.items() if columns}


def pseudonym_columns(sql: str, masked: Mapping[str, Collection[str]]) -> dict[str, str]:
    """Result column (lower case) -> the masked column that it returns, as ``silver.customers.email``.

    Columns are followed through common table expressions, subqueries and set operations, but not through expressions,
    which fail in the engine if their type is invalid.

    Args:
        sql: a query that parses.
        masked: from ``masked_names``.
    """
    import sqlglot
    from sqlglot.errors import OptimizeError
    from sqlglot.optimizer.scope import build_scope

    if not masked:
        return {}
    try:
        scope = build_scope(sqlglot.parse_one(sql, read="spark"))
    except OptimizeError:  # an ambiguous query: the engine has the better error
        return {}
    return {} if scope is None else {name.casefold(): origin for name, origin in _outputs(scope, masked) if origin}


def _outputs(scope: Scope, masked: Mapping[str, Collection[str]]) -> list[tuple[str, str]]:
    """The result columns, each with the masked column that it returns or ""; of a set operation by position."""
    branches = [_outputs(branch, masked) for branch in scope.set_operation_scopes]
    if not branches:
        return [output for projection in _projections(scope) for output in _origins(scope, projection, masked)]
    alike = [branch for branch in branches if len(branch) == len(branches[0])]
    return [(column[0][0], next((o for _, o in column if o), "")) for column in zip(*alike, strict=True)]


def _origins(scope: Scope, projection: exp.Expr, masked: Mapping[str, Collection[str]]) -> list[tuple[str, str]]:
    from sqlglot import exp

    inner = projection.unalias()
    if projection.is_star:
        return [output for source in scope.sources.values() for output in _masked_outputs(source, masked).items()]
    if not isinstance(inner, exp.Column):
        return [(projection.alias_or_name, "")]
    origins = [
        _masked_outputs(source, masked).get(inner.name.casefold(), "")
        for alias, source in scope.sources.items()
        if not inner.table or alias.casefold() == inner.table.casefold()
    ]
    return [(projection.alias_or_name, next((origin for origin in origins if origin), ""))]


def _masked_outputs(source: exp.Expr | Scope, masked: Mapping[str, Collection[str]]) -> dict[str, str]:
    """For a table or query in FROM: column (lower case) -> the masked column that it returns."""
    from sqlglot import exp
    from sqlglot.optimizer.scope import Scope

    if isinstance(source, Scope):
        return {name.casefold(): origin for name, origin in _outputs(source, masked) if origin}
    if isinstance(source, exp.Table) and source.db.casefold() == "silver":
        return {name: f"silver.{source.name}.{name}" for name in masked.get(source.name.casefold(), ())}
    return {}


def _projections(scope: Scope) -> list[exp.Expr]:
    """The projections of a SELECT; none for other expressions."""
    from sqlglot import exp

    return list(scope.expression.selects) if isinstance(scope.expression, exp.Select) else []
