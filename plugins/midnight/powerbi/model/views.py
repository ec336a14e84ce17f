"""The published views: type and origin of each column, and which columns reference which key."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from midnight.configuration.checks import ForeignKey
from midnight.gold_to_serving.base_views import BASE_SCHEMA, base_views_of_contracts, tsql_columns
from midnight.gold_to_serving.reporting_views import REPORTING_SCHEMA, ReportingView, load_reporting_views
from midnight.gold_to_serving.run_views import RUN_SCHEMA, RUN_VIEWS, as_base_view
from midnight.gold_to_serving.tsql import query_syntax as q
from midnight.gold_to_serving.tsql import syntax as s
from midnight.gold_to_serving.tsql.parse_query import parse_view
from midnight.gold_to_serving.tsql.types import SqlType
from midnight.silver_to_gold.load_contracts import load_gold_contracts
from midnight.silver_to_gold.models import GoldModelContract

Origin = tuple[str, str]  # gold model and column
_QUOTIENTS = (exp.Avg, exp.Median, exp.Quantile, exp.ApproxQuantile, exp.PercentileCont, exp.PercentileDisc, exp.Div)

_MEANS = ("AVG", "PERCENTILE_CONT", "PERCENTILE_DISC")


@dataclass(frozen=True)
class ShownColumn:
    """A column of a view.

    Args:
        type: of T-SQL; None in a view that is published on Synapse alone.
        origin: the gold column that it shows unchanged; None when it is computed.
        description: of that gold column.
        is_quotient: it is a mean, a median, another quantile or a quotient of what was counted: such values cannot
            be added up.
    """

    name: str
    type: SqlType | None
    origin: Origin | None = None
    description: str = ""
    is_quotient: bool = False


@dataclass(frozen=True)
class ShownView:
    """A view.

    Args:
        columns: by name, in order.
        only_source: the gold model whose rows it shows, when it reads nothing else and does not filter or group.
        description: of the gold model, for a base view.
    """

    name: str
    columns: Mapping[str, ShownColumn]
    only_source: str | None = None
    description: str = ""


@dataclass
class ShownViews:
    """All views by their names with schema; ``references``: columns that refer to a model's whole key.

    Args:
        unreadable: views that exist, but whose files have problems of their own: nothing is known of their columns.
    """

    views: dict[str, ShownView] = field(default_factory=dict)
    unreadable: frozenset[str] = frozenset()
    references: dict[Origin, set[Origin]] = field(default_factory=dict)


def read_views(folder: Path) -> ShownViews:
    """The views that the configuration folder defines.

    Raises:
        ConfigurationError: a contract or a view is wrong.
    """
    contracts = load_gold_contracts(folder)
    return describe_views(folder, contracts, load_reporting_views(folder, base_views_of_contracts(contracts)))


def describe_views(
    folder: Path,
    contracts: Mapping[str, GoldModelContract],
    reporting_views: Sequence[ReportingView],
    unreadable: Iterable[str] = (),
) -> ShownViews:
    """The views that could be read.

    Args:
        folder: the configuration folder.
        contracts: of the gold models, by name.
        reporting_views: each after those that it reads.
        unreadable: the other views, with their schema.
    """
    base_views = base_views_of_contracts(contracts)
    shown = ShownViews(_run_views(), unreadable=frozenset(unreadable))
    for view in base_views:
        types = tsql_columns(view)
        quotients = _quotients_of_model(folder / "sql" / "gold" / f"{view.name}.sql")
        columns = {
            c.name: ShownColumn(
                c.name,
                types[c.name],
                (view.name, c.name),
                c.description,
                c.name.casefold() in quotients,
            )
            for c in view.columns
        }
        shown.views[f"{BASE_SCHEMA}.{view.name}"] = ShownView(view.name, columns, view.name, view.description)
    for model, contract in contracts.items():
        for check in contract.checks:
            if isinstance(check, ForeignKey) and len(check.columns) == 1:
                _add_reference(shown, contracts, (model, check.columns[0]), (check.table, check.references[0]))
    for reporting in reporting_views:
        select = parse_view(reporting.tsql).query
        name = f"{REPORTING_SCHEMA}.{reporting.name}"
        shown.views[name] = _view(reporting, select, shown)
        if isinstance(select.body, q.Select):
            _read_joins(select.body, shown, contracts)
    return shown


def _run_views() -> dict[str, ShownView]:
    """The views of the schema ``midnight``, by their names with schema."""
    shown = {}
    for view in RUN_VIEWS:
        types = tsql_columns(as_base_view(view))
        columns = {c.name: ShownColumn(c.name, types[c.name], description=c.description) for c in view.columns}
        shown[f"{RUN_SCHEMA}.{view.name}"] = ShownView(view.name, columns, description=view.description)
    return shown


def _add_reference(shown: ShownViews, contracts: Mapping[str, GoldModelContract], start: Origin, end: Origin) -> None:
    """Record that ``start`` references ``end``, if that column alone is the key of its model."""
    model, column = end
    if start != end and model in contracts and contracts[model].key == (column,):
        shown.references.setdefault(start, set()).add(end)


def _quotients_of_model(path: Path) -> set[str]:
    """Columns (small letters) of a gold model whose expression is a quotient; empty where the query does not parse."""
    try:
        query: Any = sqlglot.parse_one(path.read_text(encoding="utf-8"), read="spark")
    except (OSError, UnicodeDecodeError, SqlglotError):
        return set()  # the check of the gold models reports it
    if not isinstance(query, exp.Query):
        return set()
    return {
        column.alias_or_name.casefold() for column in query.selects if any(True for _ in column.find_all(*_QUOTIENTS))
    }


def _is_quotient(expression: s.Node) -> bool:
    """As in a gold model, of an expression in T-SQL."""
    return any(
        (isinstance(part, s.Call) and part.name in _MEANS) or (isinstance(part, s.Binary) and part.operator == "/")
        for part in s.walk(expression)
    )


def _sources(select: q.Select) -> dict[str, str]:
    """Alias -> view, for the relations that the query itself reads."""
    tables = [node for node in _relations(select.source) if isinstance(node, q.Table)]
    return {table.alias: ".".join(table.parts) for table in tables}


def _relations(source: s.Node | None) -> Iterator[s.Node]:
    if isinstance(source, q.Join):
        yield from _relations(source.left)
        yield from _relations(source.right)
    elif source is not None:
        yield source


def _shown(expression: s.Node, select: q.Select, shown: ShownViews) -> ShownColumn | None:
    """The column of a view that an expression is, if it is nothing else."""
    if not isinstance(expression, s.Name):
        return None
    sources = _sources(select)
    qualifier = expression.parts[:-1]
    views = [sources.get(qualifier[0], "")] if qualifier else list(sources.values())
    found = [shown.views[view].columns.get(expression.parts[-1]) for view in views if view in shown.views]
    return next((column for column in found if column is not None), None)


def _view(reporting: ReportingView, query: q.Query, shown: ShownViews) -> ShownView:
    select = query.body if isinstance(query.body, q.Select) else None
    items = select.items if select is not None and len(select.items) == len(reporting.columns) else ()
    columns = {}
    for index, name in enumerate(reporting.columns):
        expression = items[index].expression if items else None
        source = _shown(expression, select, shown) if expression is not None and select is not None else None
        columns[name] = ShownColumn(
            name,
            reporting.types.get(name),
            source.origin if source else None,
            source.description if source else "",
            source.is_quotient if source else expression is not None and _is_quotient(expression),
        )
    return ShownView(reporting.name, columns, _only_source(query, shown))


def _only_source(query: q.Query, shown: ShownViews) -> str | None:
    """The gold model whose rows a query shows, when it changes nothing about which rows there are."""
    select = query.body
    if not isinstance(select, q.Select) or not isinstance(select.source, q.Table) or query.ctes or query.order:
        return None
    if select.where or select.group or select.having or select.distinct or select.top:
        return None
    view = shown.views.get(".".join(select.source.parts))
    return view.only_source if view else None


def _read_joins(select: q.Select, shown: ShownViews, contracts: Mapping[str, GoldModelContract]) -> None:
    """Record the references of joins: one side of an equality references the key on the other side."""
    conditions = [part.on for part in s.walk(select.source) if isinstance(part, q.Join) and part.on is not None]
    for condition in conditions:
        for equality in s.walk(condition):
            if not isinstance(equality, s.Comparison) or equality.operator != "=":
                continue
            left, right = (_shown(side, select, shown) for side in (equality.left, equality.right))
            if left and right and left.origin and right.origin:
                _add_reference(shown, contracts, left.origin, right.origin)
                _add_reference(shown, contracts, right.origin, left.origin)
