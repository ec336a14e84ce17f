"""T-SQL read by sqlglot, for where the columns of a view come from; ``tsql`` translates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlglot import exp  # noqa: TID253 - no DAG file imports this module
from sqlglot.optimizer.annotate_types import annotate_types  # noqa: TID253 - as above
from sqlglot.optimizer.qualify import qualify  # noqa: TID253 - as above
from sqlglot.schema import MappingSchema  # noqa: TID253 - as above

from midnight.column_types import tsql_type
from midnight.gold_to_serving.base_views import BASE_SCHEMA, BaseView

# Synapse's UTF-8 binary collation makes names case-sensitive.
DIALECT = "tsql, normalization_strategy = case_sensitive"
Schema = dict[str, dict[str, dict[str, Any]]]


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
