"""The reconciliation rules of gold models: what is wrong in them, and the queries for the source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from midnight.configuration.yaml_document import YamlDocument
from midnight.errors import ConfigurationProblem
from midnight.names import known_names, qualified_name
from midnight.reconciliation.source_figures import FigureQuery
from midnight.reconciliation.source_statement import read_statement

if TYPE_CHECKING:
    from midnight.configuration.tables import Table
    from midnight.silver_to_gold.models import GoldModelContract, ReconciliationRule

_TEXTS = ("STRING", "VARCHAR", "CHAR")
_NUMBERS = ("TINYINT", "SMALLINT", "INT", "BIGINT", "FLOAT", "DOUBLE", "DECIMAL")


def rule_problems(document: YamlDocument, contract: GoldModelContract) -> list[ConfigurationProblem]:
    """What is wrong in the rules of a contract, without the tables of the source."""
    problems = []
    names = [rule.name for rule in contract.reconcile]
    for index, rule in enumerate(contract.reconcile):
        place: list[int | str] = ["reconcile", index]
        if names.index(rule.name) != index:
            problems.append(document.problem([*place, "name"], f"duplicate rule name {rule.name!r}"))
        problems += [document.problem([*place, field], text) for field, text in _column_problems(rule, contract)]
        statement = read_statement(rule.source, rule.columns)
        problems += [document.problem([*place, "source"], problem) for problem in statement.problems]
    return problems


def _column_problems(rule: ReconciliationRule, contract: GoldModelContract) -> list[tuple[str, str]]:
    types = {column.name: column.type.strip().upper().partition("(")[0] for column in contract.columns}
    problems = [
        ("group_by", f"{name!r} is not a column of the model; hint: {known_names(name, types)}")
        for name in rule.group_by
        if name not in types
    ]
    valid = {name: (function, column) for name, function, column in rule.measures}
    for name, text in rule.figures.items():
        function, column = valid.get(name, ("", ""))
        if name in rule.group_by:
            problems.append(("figures", f"{name!r} is also in group_by; hint: give the figure another name"))
        if not function:
            message = f"{text!r} is not a figure; hint: count, sum(column), min(column), max(column)"
            problems.append(("figures", f"{message} or count_distinct(column)"))
        elif column and column not in types:
            problems.append(("figures", f"{column!r} is not a column of the model; hint: {known_names(column, types)}"))
        elif function == "sum" and types[column] not in _NUMBERS:
            problems.append(("figures", f"{text!r}: {column!r} of type {types[column]!r} has no sum"))
        elif function in ("min", "max") and types[column] in _TEXTS and "collate" not in rule.source.casefold():
            message = f"{text!r}: gold sorts texts by their bytes, the source by its collation; hint: write "
            problems.append(("figures", f'{message}{function}(… COLLATE "C") in source'))
    return problems


def masked_rule_problems(
    document: YamlDocument, contract: GoldModelContract, origins: Mapping[str, str]
) -> list[ConfigurationProblem]:
    """Rules that compare a masked column: gold has pseudonyms, and the source's values must not reach a log.

    Args:
        document: of the contract.
        contract: with the rules.
        origins: contract column, with its case folded -> the masked column that it shows.
    """
    return [
        document.problem(
            ["reconcile", index],
            f"{name!r} shows {origins[name.casefold()]}, which is masked; hint: choose another",
        )
        for index, rule in enumerate(contract.reconcile)
        for name in (*rule.group_by, *(column for _, function, column in rule.measures if function != "count_distinct"))
        if name.casefold() in origins
    ]


def source_table_problems(
    folder: Path, contracts: Mapping[str, GoldModelContract], tables: Sequence[Table]
) -> list[ConfigurationProblem]:
    """Rules whose query reads a table that no load group reads, or tables of several groups.

    Args:
        folder: the configuration folder.
        contracts: by model, as far as they are valid.
        tables: all configured tables.
    """
    groups = {(table.schema_name, table.table): table.group for table in tables}
    problems = []
    for model, contract in contracts.items():
        if not contract.reconcile:
            continue
        document = YamlDocument(folder / "sql" / "gold" / f"{model}.yml", folder)
        for index, rule in enumerate(contract.reconcile):
            statement = read_statement(rule.source, rule.columns)
            unknown = [qualified_name(*name) for name in statement.tables if name not in groups]
            used = sorted({groups[name] for name in statement.tables if name in groups})
            message = ""
            if unknown:
                message = f"reads {unknown!r}, which no table file configures; hint: only configured tables are locked "
                message += "and read in the snapshot"
            elif len(used) > 1:
                message = f"reads tables of the load groups {used!r}, which have different snapshots; hint: put the "
                message += "tables into one group, or write one rule per group"
            if message:
                problems.append(document.problem(["reconcile", index, "source"], message))
    return problems


def figure_queries(contracts: Mapping[str, GoldModelContract]) -> tuple[FigureQuery, ...]:
    """The queries of all rules, by model and rule; of valid contracts."""
    return tuple(
        FigureQuery(
            model=model,
            rule=rule.name,
            sql=rule.source,
            columns=rule.columns,
            groups=len(rule.group_by),
            tables=read_statement(rule.source, rule.columns).tables,
        )
        for model, contract in sorted(contracts.items())
        for rule in contract.reconcile
    )
