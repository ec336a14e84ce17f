"""Derives from its query how a gold model is refreshed.

The affected keys are a superset of the keys of all rows that may differ, for any change of any inputs. The rows of a
key depend on the driving input's rows with this key alone, so the query over these rows gives exactly the new rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from midnight.configuration.tables import Table
from midnight.silver_to_gold.models import GoldModel
from midnight.silver_to_gold.refresh.affected import affected_keys
from midnight.silver_to_gold.refresh.branches import Atom
from midnight.silver_to_gold.refresh.functions import call_name, undetermined
from midnight.silver_to_gold.refresh.keys import DrivenBranch, choose_key
from midnight.silver_to_gold.refresh.plan import AFFECTED_KEYS, DrivingInput, RefreshPlan
from midnight.silver_to_gold.refresh.queries import Queries
from midnight.silver_to_gold.refresh.tree import TooComplexError, number_of, parse_expanded, tables_of, with_tables
from midnight.silver_to_gold.spark_sql.dialect import spark_text
from midnight.silver_to_gold.spark_sql.relations import BATCH_COLUMN, views
from midnight.silver_to_gold.spark_sql.scopes import Relation
from midnight.silver_to_gold.sql_references import view_name
from midnight.sql_text import quote_backticked

if TYPE_CHECKING:
    from sqlglot import exp


def derive_refresh(model: GoldModel, relations: Mapping[str, Relation]) -> RefreshPlan:
    """How a model is refreshed.

    Args:
        model: as the engine gets it.
        relations: ``spark_sql.relations.views`` of the configured tables and models: the columns and types of every
            view by its name in lower case.
    """
    from sqlglot.errors import SqlglotError

    if model.contract.refresh == "full":
        return _full(model, "its contract has refresh: full")
    try:
        return _derive(model, relations)
    except TooComplexError as error:
        return _full(model, str(error))
    except SqlglotError:
        return _full(model, "its query has a form that only the engine can parse")


def refresh_plans(models: Iterable[GoldModel], tables: Iterable[Table]) -> dict[str, RefreshPlan]:
    """Name -> plan of some models; ``models`` has all models that they reference."""
    models = tuple(models)
    relations = views(tables, {model.name: model.contract for model in models})
    return {model.name: derive_refresh(model, relations) for model in models}


def _full(model: GoldModel, why: str) -> RefreshPlan:
    return RefreshPlan("full", f"gold.{model.name} is always built whole: {why}")


def _derive(model: GoldModel, relations: Mapping[str, Relation]) -> RefreshPlan:
    from sqlglot import exp

    tree = parse_expanded(model.sql)
    _refuse_undetermined(tree)
    references = {view.casefold(): reference for view, reference in model.references.items()}
    inputs = {view: (reference, relations[view]) for view, reference in references.items() if view in relations}
    queries = Queries(inputs)
    branches = queries.query(tree)
    driven = choose_key(branches, model.contract)
    if isinstance(driven, str):
        return _full(model, driven)
    types = {column.name: column.type for column in model.contract.columns}
    affected, whole = _affected(driven, queries.atoms, types)
    for table in tables_of(tree):
        if number_of(table) not in queries.atoms:
            reference = references.get(table.name.casefold(), table.name)
            whole[reference] = f"{reference} is read by a subquery in an expression, or by a form that is not followed"
    driving, read_instead = _driving_inputs(driven, types)
    for item in driving:
        if item.reference in whole:
            return _full(model, whole[item.reference])
    key = tuple(driven[0].keys)
    restricted = with_tables(tree, read_instead)
    if any(not branch.atoms for branch in branches):
        restricted = _only_affected(restricted, key, types)
    names = ", ".join(dict.fromkeys(item.reference for item in driving))
    reason = f"gold.{model.name} is refreshed by {', '.join(key)} (from {names})"
    affected = {reference: sql for reference, sql in affected.items() if reference not in whole}
    others = {references.get(t.name.casefold(), "") for t in tables_of(tree) if number_of(t) not in read_instead}
    gathers = tree.find(exp.Group, exp.Distinct, exp.Window) is not None
    return RefreshPlan(
        "key", reason, key, driving, affected, whole, restricted, tuple(sorted(others - {""})), gathers=gathers
    )


def _refuse_undetermined(tree: exp.Expr) -> None:
    from sqlglot import exp

    name = undetermined(tree)
    if name:
        raise TooComplexError(f"the result of {name} does not follow from the rows of its inputs alone")
    if tree.find(exp.TableSample):
        raise TooComplexError("TABLESAMPLE chooses rows at random")
    if any(
        isinstance(star.parent, exp.Func | exp.Distinct) and call_name(star.parent) != "count"
        for star in tree.find_all(exp.Star)
    ):
        raise TooComplexError("a function of * reads _midnight_batch_id, which the changes of silver do not have")
    if any(column.name.casefold() == BATCH_COLUMN[0] for column in tree.find_all(exp.Column)):
        raise TooComplexError(f"it reads {BATCH_COLUMN[0]}, which the changes of silver do not have")


def _affected(
    driven: Sequence[DrivenBranch], atoms: Mapping[int, Atom], types: Mapping[str, str]
) -> tuple[dict[str, str], dict[str, str]]:
    """Reference -> SQL of its affected keys, and reference -> why all keys count as affected."""
    queries: dict[str, list[str]] = {}
    whole: dict[str, str] = {}
    for item in driven:
        for atom in item.branch.atoms:
            sql = affected_keys(item.branch, atom, item.keys, types)
            if sql is None:
                whole[atom.reference] = (
                    f"no condition that can be followed connects {atom.reference} with {item.atom.reference}"
                )
            elif sql not in queries.setdefault(atom.reference, []):
                queries[atom.reference].append(sql)
    for atom in atoms.values():
        if atom.reference not in queries:
            whole.setdefault(atom.reference, f"{atom.reference} cannot be followed to the key")
    return {reference: "\nUNION ALL\n".join(found) for reference, found in queries.items()}, whole


def _driving_inputs(
    driven: Sequence[DrivenBranch], types: Mapping[str, str]
) -> tuple[tuple[DrivingInput, ...], dict[int, str]]:
    """The restricted inputs, and the number of a table in the query -> the view that it reads instead."""
    found: dict[tuple[str, ...], DrivingInput] = {}
    read_instead: dict[int, str] = {}
    for item in driven:
        reference = item.atom.reference
        if item.restriction not in found:
            same = sum(other.reference == reference for other in found.values())
            view = f"affected__{view_name(reference)}" + (f"__{same + 1}" if same else "")
            found[item.restriction] = _driving_input(item, view, types)
        read_instead[item.atom.number] = found[item.restriction].view
    return tuple(found.values()), read_instead


def _driving_input(item: DrivenBranch, view: str, types: Mapping[str, str]) -> DrivingInput:
    from sqlglot import exp

    keys = []
    for name, value in item.driving.items():
        own = value.copy()
        for column in own.find_all(exp.Column):
            if column.table:
                column.set("table", exp.to_identifier("input"))
        keys.append(f"CAST({spark_text(own)} AS {types[name]})")
    equal = [f"{key} <=> keys.{quote_backticked(name)}" for name, key in zip(item.driving, keys, strict=True)]
    sql = (
        f"SELECT input.* FROM {view_name(item.atom.reference)} AS input\n"
        f"LEFT SEMI JOIN {AFFECTED_KEYS} AS keys ON {' AND '.join(equal)}"
    )
    return DrivingInput(item.atom.reference, view, sql, tuple(keys))


def _only_affected(sql: str, key: Sequence[str], types: Mapping[str, str]) -> str:
    """The query without the rows of branches that read no input, if their keys are not affected."""
    names = [quote_backticked(name) for name in key]
    equal = [f"CAST(rows.{n} AS {types[name]}) <=> keys.{n}" for n, name in zip(names, key, strict=True)]
    return f"SELECT rows.* FROM (\n{sql}\n) AS rows\nLEFT SEMI JOIN {AFFECTED_KEYS} AS keys ON {' AND '.join(equal)}"
