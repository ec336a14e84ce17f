"""Which columns of a gold query are pseudonyms: masked columns of silver that it passes on as they are."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from midnight.configuration.tables import Table

if TYPE_CHECKING:
    from sqlglot import exp
    from sqlglot.optimizer.scope import Scope


def masked_names(tables: Sequence[Table]) -> dict[str, frozenset[str]]:
    """Silver table -> its masked columns, in lower case; tables without any are left out."""
    found = {t.silver.casefold(): frozenset(c.name.casefold() for c in t.masked_columns if not c.drop) for t in tables}
    return {name: columns for name, columns in found.items() if columns}


def pseudonym_columns(sql: str, masked: Mapping[str, Collection[str]]) -> dict[str, str]:
    """Result column (lower case) -> the masked column that it shows, as ``silver.customers.email``.

    Columns that come through common table expressions, subqueries and set operations are followed; an expression over
    a masked column is not: it fails in the engine where its type is wrong.

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
    except OptimizeError:  # an ambiguous query: the engine says so better
        return {}
    return {} if scope is None else {name.casefold(): origin for name, origin in _outputs(scope, masked) if origin}


def _outputs(scope: Scope, masked: Mapping[str, Collection[str]]) -> list[tuple[str, str]]:
    """Names of the result columns with what each shows; of a set operation by position, as SQL does."""
    branches = [_outputs(branch, masked) for branch in scope.set_operation_scopes]
    if not branches:
        return [output for projection in _projections(scope) for output in _shown(scope, projection, masked)]
    alike = [branch for branch in branches if len(branch) == len(branches[0])]
    return [(column[0][0], next((o for _, o in column if o), "")) for column in zip(*alike, strict=True)]


def _shown(scope: Scope, projection: exp.Expr, masked: Mapping[str, Collection[str]]) -> list[tuple[str, str]]:
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
    """Of a table or query in FROM: column (lower case) -> the masked column that it shows."""
    from sqlglot import exp
    from sqlglot.optimizer.scope import Scope

    if isinstance(source, Scope):
        return {name.casefold(): origin for name, origin in _outputs(source, masked) if origin}
    if isinstance(source, exp.Table) and source.db.casefold() == "silver":
        return {name: f"silver.{source.name}.{name}" for name in masked.get(source.name.casefold(), ())}
    return {}


def _projections(scope: Scope) -> list[exp.Expr]:
    """What a SELECT lists; nothing of anything else."""
    from sqlglot import exp

    return list(scope.expression.selects) if isinstance(scope.expression, exp.Select) else []
