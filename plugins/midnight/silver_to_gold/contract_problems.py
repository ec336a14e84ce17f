"""Problems of the contract of a gold model, independent of its query."""

from __future__ import annotations

from pydantic import ValidationError

from midnight.column_types import tsql_type
from midnight.configuration.checks import Check
from midnight.configuration.yaml_document import YamlDocument
from midnight.errors import ConfigurationProblem, TypeNotSupportedError
from midnight.names import safe_name
from midnight.silver_to_gold.models import GoldModelContract
from midnight.silver_to_gold.source_rules import rule_problems


def contract_problems(document: YamlDocument, contract: GoldModelContract) -> list[ConfigurationProblem]:
    """All problems of a contract, with their lines."""
    problems = []
    names = [column.name for column in contract.columns]
    folded = [name.casefold() for name in names]
    for index, column in enumerate(contract.columns):
        place: list[int | str] = ["columns", index]
        if folded.index(column.name.casefold()) != index:
            problems.append(
                document.problem([*place, "name"], f"duplicate column {column.name!r} (Spark ignores case)")
            )
        if column.name != safe_name(column.name):
            problems.append(
                document.problem(
                    [*place, "name"], f"{column.name!r} is not a safe name; hint: use {safe_name(column.name)!r}"
                )
            )
        try:
            tsql_type(column.type)
        except TypeNotSupportedError as error:
            problems.append(document.problem([*place, "type"], str(error)))
        if column.max_length is not None and column.type.strip().upper() != "STRING":
            problems.append(
                document.problem([*place, "max_length"], f"is for STRING columns, not {column.type!r}; hint: remove it")
            )
    for name in contract.key:
        if name not in names:
            problems.append(document.problem(["key"], f"{name!r} is not among the columns {names!r}"))
    labels = [check.label for check in contract.checks]
    for index, check in enumerate(contract.checks):
        problems += _check_problems(document, index, check, names)
        if labels.index(check.label) != index:
            problems.append(
                document.problem(["checks", index], f"duplicate check name {check.label!r}; hint: set another name")
            )
    return [*problems, *rule_problems(document, contract)]


def _check_problems(document: YamlDocument, index: int, check: Check, names: list[str]) -> list[ConfigurationProblem]:
    problems = [
        document.problem(["checks", index], f"column {name!r} is not among the columns {names!r}")
        for name in check.used_columns
        if name not in names
    ]
    if check.on_failure == "quarantine":
        problems.append(
            document.problem(
                ["checks", index],
                f"check {check.label!r} would quarantine rows (the default), but no row may be lost between silver and "
                "gold; hint: set on_failure: fail or on_failure: warn",
            )
        )
    return problems


def columns_alone(document: YamlDocument) -> GoldModelContract | None:
    """A contract of only the columns, for a file with other problems; None if a column is invalid, too.

    Views are checked against it, so that a misspelled check does not hide their problems.
    """
    given = document.data.get("columns") if isinstance(document.data, dict) else None
    try:
        contract = GoldModelContract.model_validate({"description": "", "key": [], "columns": given})
        for column in contract.columns:
            tsql_type(column.type)
    except (ValidationError, TypeNotSupportedError):
        return None
    return contract
