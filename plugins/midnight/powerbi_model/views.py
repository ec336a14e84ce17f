"""What the published views look like: type and origin of each column, and which columns lead to which key."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlglot  # noqa: TID253 - no DAG file imports this module
from sqlglot import exp  # noqa: TID253 - as above
from sqlglot.errors import SqlglotError  # noqa: TID253 - as above

from midnight.checks import ForeignKey
from midnight.gold_models import GoldModelContract
from midnight.gold_to_serving.base_views import BASE_SCHEMA, base_views_of_contracts, load_gold_contracts
from midnight.gold_to_serving.reporting_views import REPORTING_SCHEMA, ReportingView, load_reporting_views
from midnight.gold_to_serving.transpile import Schema, resolve, schema_of

Origin = tuple[str, str]  # gold model and column
_QUOTIENTS = (exp.Avg, exp.Median, exp.Quantile, exp.ApproxQuantile, exp.PercentileCont, exp.PercentileDisc, exp.Div)


@dataclass(frozen=True)
class ShownColumn:
    """A column of a view.

    Args:
        type: sqlglot's type, in T-SQL's terms.
        origin: the gold column that it shows unchanged; None when it is computed.
        description: of that gold column.
        is_quotient: it is a mean, a median, another quantile or a quotient of what was counted: such values cannot
            be added up.
    """

    name: str
    type: exp.DataType
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
    """All views by their names with schema; ``leads_to``: columns that refer to a model's whole key.

    Args:
        unreadable: views that exist, but whose files have problems of their own: nothing is known of their columns.
    """

    views: dict[str, ShownView] = field(default_factory=dict)
    unreadable: frozenset[str] = frozenset()
    leads_to: dict[Origin, set[Origin]] = field(default_factory=dict)


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
    schema = schema_of(base_views)
    shown = ShownViews(unreadable=frozenset(unreadable))
    for view in base_views:
        quotients = _quotients_of_model(folder / "sql" / "gold" / f"{view.name}.sql")
        columns = {
            c.name: ShownColumn(
                c.name,
                schema[BASE_SCHEMA][view.name][c.name],
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
                _lead(shown, contracts, (model, check.columns[0]), (check.table, check.references[0]))
    for reporting in reporting_views:
        try:
            create = sqlglot.parse_one(reporting.tsql, read="tsql")
            query = resolve(create.expression, schema)
        except SqlglotError:  # it is valid T-SQL, but sqlglot does not know all of it
            _take_columns(reporting, shown, schema)
            continue
        schema[REPORTING_SCHEMA][reporting.name] = {column.alias_or_name: column.type for column in query.selects}
        shown.views[f"{REPORTING_SCHEMA}.{reporting.name}"] = _view(reporting.name, query, shown)
        _read_joins(query, shown, contracts)
    return shown


def _take_columns(reporting: ReportingView, shown: ShownViews, schema: Schema) -> None:
    """The columns of a view with their types alone: where they come from stays unknown."""
    name = f"{REPORTING_SCHEMA}.{reporting.name}"
    if not reporting.types:
        shown.unreadable |= {name}
        return
    types = [exp.DataType.build(text.partition("(max)")[0], dialect="tsql") for text in reporting.types]
    schema[REPORTING_SCHEMA][reporting.name] = dict(zip(reporting.columns, types, strict=True))
    columns = {c: ShownColumn(c, kind) for c, kind in schema[REPORTING_SCHEMA][reporting.name].items()}
    shown.views[name] = ShownView(reporting.name, columns)


def _lead(shown: ShownViews, contracts: Mapping[str, GoldModelContract], start: Origin, end: Origin) -> None:
    """``start`` leads to ``end`` when that is the whole key of its model, so that one row is found."""
    model, column = end
    if start != end and model in contracts and contracts[model].key == (column,):
        shown.leads_to.setdefault(start, set()).add(end)


def _quotients_of_model(path: Path) -> set[str]:
    """Columns (small letters) of a gold model whose expression is a quotient; empty where the query does not parse."""
    try:
        query: Any = sqlglot.parse_one(path.read_text(encoding="utf-8"), read="spark")
    except (OSError, UnicodeDecodeError, SqlglotError):
        return set()  # the check of the gold models reports it
    if not isinstance(query, exp.Query):
        return set()
    return {column.alias_or_name.casefold() for column in query.selects if _is_quotient(column)}


def _is_quotient(expression: Any) -> bool:
    return any(True for _ in expression.find_all(*_QUOTIENTS))


def _sources(query: Any) -> dict[str, str]:
    """Alias -> view, for the relations that the query itself reads."""
    relations = [query.args.get("from_") or query.args.get("from"), *query.args.get("joins", [])]
    tables = [relation.this for relation in relations if relation is not None]
    return {t.alias_or_name: f"{t.db}.{t.name}" for t in tables if isinstance(t, exp.Table)}


def _shown(column: Any, query: Any, shown: ShownViews) -> ShownColumn | None:
    """The column of a view that an expression is, if it is nothing else."""
    expression = column.unalias()
    if not isinstance(expression, exp.Column):
        return None
    view = shown.views.get(_sources(query).get(expression.table, ""))
    return view.columns.get(expression.name) if view else None


def _view(name: str, query: Any, shown: ShownViews) -> ShownView:
    columns = {}
    for selected in query.selects:
        source = _shown(selected, query, shown)
        columns[selected.alias_or_name] = ShownColumn(
            selected.alias_or_name,
            selected.type,
            source.origin if source else None,
            source.description if source else "",
            source.is_quotient if source else _is_quotient(selected),
        )
    sources = list(_sources(query).values())
    plain = isinstance(query, exp.Select) and not any(
        query.args.get(part) for part in ("joins", "where", "group", "distinct", "having", "limit", "with_", "with")
    )
    only = shown.views[sources[0]].only_source if plain and len(sources) == 1 and sources[0] in shown.views else None
    return ShownView(name, columns, only)


def _read_joins(query: Any, shown: ShownViews, contracts: Mapping[str, GoldModelContract]) -> None:
    """An equality in a join says that one side leads to the other's key."""
    for join in query.args.get("joins", []):
        condition = join.args.get("on")
        for equality in condition.find_all(exp.EQ) if condition is not None else ():
            left, right = (_shown(side, query, shown) for side in (equality.left, equality.right))
            if left and right and left.origin and right.origin:
                _lead(shown, contracts, left.origin, right.origin)
                _lead(shown, contracts, right.origin, left.origin)
