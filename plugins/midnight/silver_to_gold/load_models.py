"""Loads gold models: ``include/sql/gold/<model>.sql`` (one Spark SQL query) and ``<model>.yml`` (its contract).

A query reads ``silver.<table>`` and ``gold.<model>``. Both become temporary views in the job, so that a query contains
no path and runs on every engine.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path, PurePosixPath

from midnight.configuration.checks import Check, Expression, ForeignKey
from midnight.configuration.text_files import unreadable
from midnight.configuration.yaml_document import YamlDocument
from midnight.errors import ConfigurationError, ConfigurationProblem
from midnight.masking import PSEUDONYM_DIGITS
from midnight.names import RESERVED_PREFIX, known_names, safe_name
from midnight.silver_to_gold.contract_problems import columns_alone, contract_problems
from midnight.silver_to_gold.masked_columns import pseudonym_columns
from midnight.silver_to_gold.models import GoldModel, GoldModelContract
from midnight.silver_to_gold.source_rules import masked_rule_problems
from midnight.silver_to_gold.sql_references import ParsedSql, parse_condition, parse_query, view_name

_FILE_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


@dataclass
class _ModelFiles:
    """The files of one model; ``contract`` is None if its file has problems."""

    name: str
    sql_file: str
    query: ParsedSql | None
    document: YamlDocument | None
    contract: GoldModelContract | None


@dataclass(frozen=True)
class GoldFiles:
    """The readable models of ``include/sql/gold``, and the problems of all files.

    Args:
        models: the models without problems, each after the models that it references.
        contracts: by model; for a file with problems only the columns, unless one of these is invalid.
        names: of all models, including those with problems.
        problems: of all files.
    """

    models: tuple[GoldModel, ...]
    contracts: Mapping[str, GoldModelContract]
    names: tuple[str, ...]
    problems: tuple[ConfigurationProblem, ...]


def load_gold_models(
    folder: Path, silver_tables: Iterable[str], masked: Mapping[str, Collection[str]] | None = None
) -> tuple[GoldModel, ...]:
    """All gold models, each after the models that it references; for the arguments see ``read_gold_models``.

    Raises:
        ConfigurationError: all problems of all files: a query that does not parse, several statements, an unknown
            reference, a cycle, a missing contract, a key or check with an unknown column.
    """
    files = read_gold_models(folder, silver_tables, masked)
    if files.problems:
        raise ConfigurationError(files.problems)
    return files.models


def read_gold_models(
    folder: Path, silver_tables: Iterable[str], masked: Mapping[str, Collection[str]] | None = None
) -> GoldFiles:
    """Read all gold models without raising, so that an invalid file does not hide the problems of the others.

    Args:
        folder: ``include/sql/gold``.
        silver_tables: silver names of the configured tables.
        masked: ``masked_columns.masked_names`` of the same tables: these columns are text, whatever their type was.
    """
    problems: list[ConfigurationProblem] = []
    names = sorted({path.stem for path in folder.glob("*.sql")} | {path.stem for path in folder.glob("*.yml")})
    files = [_read_files(folder, name, problems) for name in names]
    problems += [problem for model in files for problem in _masked_column_problems(model, masked or {})]
    known = {f"silver.{table}".casefold(): f"silver.{table}" for table in silver_tables}
    known |= {f"gold.{name}".casefold(): f"gold.{name}" for name in names}
    contracts = {model.name: found for model in files if (found := _known_contract(model, problems)) is not None}
    built = [_make_model(model, known, contracts, problems) for model in files]
    invalid = {PurePosixPath(problem.where).stem for problem in problems}
    valid = {model.name: model for model in built if model is not None and model.name not in invalid}
    order = _in_order(valid, {model.name: model for model in files}, problems)
    return GoldFiles(tuple(valid[name] for name in order), contracts, tuple(names), tuple(problems))


def _known_contract(files: _ModelFiles, problems: Sequence[ConfigurationProblem]) -> GoldModelContract | None:
    if files.document is None:
        return None
    invalid = any(problem.where == files.document.where for problem in problems)
    return columns_alone(files.document) if invalid else files.contract


def _read_files(folder: Path, name: str, problems: list[ConfigurationProblem]) -> _ModelFiles:
    base = folder.parent.parent
    sql_path, yml_path = folder / f"{name}.sql", folder / f"{name}.yml"
    sql_file = str(sql_path.relative_to(base))
    if not _FILE_NAME.fullmatch(name) or name != safe_name(name) or name.lower().startswith(RESERVED_PREFIX):
        message = (
            f"{name!r} must be ASCII letters, digits and underscores, starting with a letter; hint: rename the file"
        )
        problems.append(ConfigurationProblem(sql_file, 1, "", message))
    query = None
    if sql_path.exists():
        try:
            query = parse_query(sql_path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            query = ParsedSql("", problems=(unreadable(error),))
        problems += [ConfigurationProblem(sql_file, line or 1, "", message) for line, message in query.problems]
    else:
        where = str(yml_path.relative_to(base))
        problems.append(ConfigurationProblem(where, 1, "", f"has no query; hint: add {sql_path.name}"))
    if not yml_path.exists():
        message = f"has no contract; hint: add {yml_path.name} with description, key and columns"
        problems.append(ConfigurationProblem(sql_file, 1, "", message))
        return _ModelFiles(name, sql_file, query, None, None)
    document = YamlDocument(yml_path, base)
    contract = document.validate(GoldModelContract)
    problems += document.problems
    if contract is not None:
        problems += contract_problems(document, contract)
    return _ModelFiles(name, sql_file, query, document, contract)


def _masked_column_problems(files: _ModelFiles, masked: Mapping[str, Collection[str]]) -> list[ConfigurationProblem]:
    """Contract columns whose type or length does not fit a pseudonym, although they show a masked column."""
    if files.query is None or files.query.problems or files.contract is None or files.document is None:
        return []
    origins = pseudonym_columns(files.query.text, masked)
    problems = []
    for index, column in enumerate(files.contract.columns):
        origin = origins.get(column.name.casefold())
        if origin is None:
            continue
        if column.type.strip().upper() != "STRING":
            message = (
                f"{column.type!r} cannot hold {origin}, which is masked: a pseudonym is text; hint: set type: STRING"
            )
            problems.append(files.document.problem(["columns", index, "type"], message))
        elif column.max_length is not None and column.max_length < PSEUDONYM_DIGITS:
            message = f"{column.max_length} is too short for {origin}, which is masked; hint: use {PSEUDONYM_DIGITS}"
            problems.append(files.document.problem(["columns", index, "max_length"], message))
    return [*problems, *masked_rule_problems(files.document, files.contract, origins)]


def _make_model(
    files: _ModelFiles,
    known: Mapping[str, str],
    contracts: Mapping[str, GoldModelContract],
    problems: list[ConfigurationProblem],
) -> GoldModel | None:
    """The model with its references resolved; None if its query or its contract is missing."""
    references: dict[str, str] = {}
    own = f"gold.{files.name}"
    if files.query is not None:
        for line, reference in files.query.references:
            resolved = known.get(reference.casefold())
            if resolved is None:
                problems.append(ConfigurationProblem(files.sql_file, line, "", _unknown(reference, known)))
            elif resolved == own:
                problems.append(ConfigurationProblem(files.sql_file, line, "", f"{own} references itself"))
            else:
                references[view_name(resolved)] = resolved
    if files.document is None or files.contract is None:
        return None
    checks = []
    for index, check in enumerate(files.contract.checks):
        resolved_check, used, messages = _resolve_check(check, known, contracts)
        problems += [files.document.problem(["checks", index], message) for message in messages]
        references |= {view_name(reference): reference for reference in used if reference != own}
        checks.append(resolved_check)
    if files.query is None:
        return None
    contract = files.contract.model_copy(update={"checks": tuple(checks)})
    return GoldModel(name=files.name, sql=files.query.with_views(known), references=references, contract=contract)


def _resolve_check(
    check: Check, known: Mapping[str, str], contracts: Mapping[str, GoldModelContract]
) -> tuple[Check, list[str], list[str]]:
    """The check with view names in place of tables, the tables that it reads, and its problems."""
    if isinstance(check, Expression):
        condition = parse_condition(check.sql)
        messages = [message for _, message in condition.problems]
        messages += [_unknown(name, known) for _, name in condition.references if name.casefold() not in known]
        used = [known[name.casefold()] for _, name in condition.references if name.casefold() in known]
        rewritten = {"sql": condition.with_views(known), "written": check.written or check.sql}
        return check.model_copy(update=rewritten), used, messages
    if isinstance(check, ForeignKey):
        reference = check.table if "." in check.table else f"gold.{check.table}"
        resolved = known.get(reference.casefold())
        if resolved is None:
            return check, [], [_unknown(reference, known)]
        contract = contracts.get(resolved.removeprefix("gold.")) if resolved.startswith("gold.") else None
        columns = None if contract is None else {column.name for column in contract.columns}
        missing = [name for name in check.references if columns is not None and name not in columns]
        messages = [f"unknown columns {missing!r} of {resolved}"] if missing else []
        return check.model_copy(update={"table": view_name(resolved)}), [resolved], messages
    return check, [], []


def _unknown(reference: str, known: Mapping[str, str]) -> str:
    return f"{reference} is unknown; hint: {known_names(reference, known.values())}"


def _in_order(
    models: Mapping[str, GoldModel], files: Mapping[str, _ModelFiles], problems: list[ConfigurationProblem]
) -> list[str]:
    """Names in an order that only depends on the references and the names."""
    left = dict(models)
    while True:
        sorter: TopologicalSorter[str] = TopologicalSorter()
        for name, model in left.items():
            upstream = [ref.removeprefix("gold.") for ref in model.references.values() if ref.startswith("gold.")]
            sorter.add(name, *(other for other in upstream if other in left))
        try:
            sorter.prepare()
            break
        except CycleError as error:
            cycle = list(reversed(error.args[1]))
            message = (
                f"has a circular reference: {' -> '.join(cycle)} (each reads the next); hint: remove one reference"
            )
            first = files[cycle[0]]
            found = first.query.references if first.query else ()
            line = next((line for line, name in found if name.casefold() == f"gold.{cycle[1]}".casefold()), 1)
            problems.append(ConfigurationProblem(first.sql_file, line, "", message))
            left = {name: model for name, model in left.items() if name not in cycle}
    order: list[str] = []
    while sorter.is_active():
        ready = sorted(sorter.get_ready())
        order += ready
        sorter.done(*ready)
    return order
