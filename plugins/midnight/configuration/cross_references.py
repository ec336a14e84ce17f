"""Checks across the table files: duplicate names, and references to tables, columns and groups that do not exist."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from midnight.column_types import TEXT_TYPES, base_name
from midnight.configuration.checks import ForeignKey
from midnight.configuration.columns import Column
from midnight.configuration.tables import Table
from midnight.configuration.yaml_document import YamlDocument
from midnight.errors import ConfigurationProblem
from midnight.names import known_names


def problems_between_files(
    documents: Sequence[tuple[YamlDocument, Table]], groups: Sequence[str] | None, unreadable: Collection[str]
) -> list[ConfigurationProblem]:
    """Problems that only show when the table files are compared, with file, line and field.

    Args:
        documents: each file with its table.
        groups: names of the load groups of ``pipeline.yml``; None when that file is not valid.
        unreadable: silver names of the tables whose files are not valid.
    """
    problems = []
    by_silver: dict[str, tuple[YamlDocument, Table]] = {}
    by_source: dict[tuple[str, str], YamlDocument] = {}
    for document, table in documents:
        other = by_silver.setdefault(table.silver.casefold(), (document, table))
        if other[0] is not document:
            message = f"duplicate silver name {table.silver!r} (also defined in {other[0].where}); hint: rename one"
            problems.append(document.problem(["silver"], message))
        first = by_source.setdefault((table.schema_name, table.table), document)
        if first is not document:
            message = f"{table.qualified_name} is also configured in {first.where}; hint: delete one of the files"
            problems.append(document.problem(["table"], message))
        if groups is not None and table.group not in groups:
            message = f"{table.group!r} is not a load group of pipeline.yml; hint: {known_names(table.group, groups)}"
            problems.append(document.problem(["group"], message))
    for document, table in documents:
        for index in range(len(table.checks)):
            problems += _foreign_key_problems(document, table, index, by_silver, unreadable)
    return problems


def _cleaning_difference(table: Table, own: Column, target: Table, other: Column) -> str:
    """Texts that are equal in the source must stay equal in silver; otherwise the check fails for valid rows."""
    if not all(base_name(column.type) in TEXT_TYPES for column in (own, other)):
        return ""
    place = f"{other.name!r} of {target.silver!r}"
    if own.trim != other.trim:
        shown = ("true", "false") if own.trim else ("false", "true")
        return f"{own.name!r} has trim: {shown[0]} and {place} trim: {shown[1]}; hint: write the same for both"
    own_nulls = table.null_values if own.null_values is None else own.null_values
    lost = [
        text
        for text in (target.null_values if other.null_values is None else other.null_values)
        if text not in own_nulls
    ]
    if lost:
        return f"{lost!r} mean null in {place} and not in {own.name!r}; hint: write the same null_values for both"
    return ""


def _foreign_key_problems(
    document: YamlDocument,
    table: Table,
    index: int,
    by_silver: dict[str, tuple[YamlDocument, Table]],
    unreadable: Collection[str],
) -> list[ConfigurationProblem]:
    check = table.checks[index]
    if not isinstance(check, ForeignKey):
        return []
    location: list[int | str] = ["checks", index, "table"]
    found = by_silver.get(check.table.casefold())
    if found is None and check.table.casefold() in {name.casefold() for name in unreadable}:
        return []
    if found is None:
        known = known_names(check.table, (target.silver for _, target in by_silver.values()))
        return [document.problem(location, f"{check.table!r} is not a silver table; hint: {known}")]
    names = {column.name for column in found[1].silver_columns}
    missing = [name for name in check.references if name not in names]
    if missing:
        message = f"{missing!r} are not columns of silver table {check.table!r}; hint: {known_names(missing[0], names)}"
        return [document.problem(["checks", index, "references"], message)]
    pairs = [
        (next(c for c in table.columns if c.name == name), next(c for c in found[1].columns if c.name == reference))
        for name, reference in zip(check.columns, check.references, strict=True)
        if name in {column.name for column in table.columns}
    ]
    own = {column.name for column in table.masked_columns}
    other = {column.name for column in found[1].masked_columns}
    return [
        document.problem(["checks", index], problem)
        for column, reference in pairs
        if (problem := _cleaning_difference(table, column, found[1], reference))
    ] + [
        document.problem(
            ["checks", index],
            f"{name!r} is {'' if name in own else 'not '}masked and {reference!r} of {check.table!r} is "
            f"{'' if reference in other else 'not '}masked, so their values never match; hint: add mask: pseudonym to "
            "both",
        )
        for name, reference in zip(check.columns, check.references, strict=True)
        if (name in own) != (reference in other)
    ]
