"""The hand-written reporting views, ``include/sql/serving/<name>.sql``: read, checked, and put in order.

Each file holds one statement ``CREATE OR ALTER VIEW reporting.<name> AS SELECT …`` in T-SQL, which reads base views
(``gold.<model>``) and other reporting views. Synapse gets the text as it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import sqlglot  # noqa: TID253 - no DAG file imports this module
from sqlglot import exp  # noqa: TID253 - as above
from sqlglot.errors import ErrorLevel, ParseError, SqlglotError  # noqa: TID253 - as above

from midnight.errors import ConfigurationError, ConfigurationProblem
from midnight.gold_to_serving.base_views import BASE_SCHEMA, BaseView
from midnight.gold_to_serving.transpile import Schema, resolve, schema_of, to_duckdb
from midnight.gold_to_serving.tsql_rules import Finding, check_shape, check_tokens, check_types, line_of, tokens_of

REPORTING_SCHEMA = "reporting"
FOLDER = Path("sql") / "serving"


@dataclass(frozen=True)
class ReportingView:
    """The view ``reporting.<name>``.

    Args:
        name: of the view and its file.
        tsql: the statement as written.
        duckdb: the same in DuckDB's SQL.
        columns: names in order.
        references: views that it reads, as ``gold.x`` or ``reporting.x``, sorted.
    """

    name: str
    tsql: str
    duckdb: str
    columns: tuple[str, ...]
    references: tuple[str, ...]


class _File:
    """One file, and what is wrong with it."""

    def __init__(self, path: Path, base: Path) -> None:
        self.name = path.stem
        self.where = str(path.relative_to(base))
        self.text = ""
        self.problems: list[ConfigurationProblem] = []
        self.query: exp.Query | None = None
        self.references: dict[str, int | None] = {}
        try:
            self.text = path.read_text(encoding="utf-8").strip().rstrip(";").rstrip()
        except (OSError, UnicodeDecodeError) as error:
            self.report(None, f"cannot be read: {error}; save it as UTF-8")
            return
        self._parse()

    def report(self, line: int | None, message: str) -> None:
        problem = ConfigurationProblem(self.where, line, "", message)
        if problem not in self.problems:
            self.problems.append(problem)

    def report_all(self, findings: Sequence[Finding]) -> None:
        for line, message in findings:
            self.report(line, message)

    def _parse(self) -> None:
        try:
            self.report_all(list(check_tokens(tokens_of(self.text))))
            if self.problems:
                return
            statements = sqlglot.parse(self.text, read="tsql", error_level=ErrorLevel.RAISE)
        except ParseError as error:
            details = error.errors[0] if error.errors else {}
            near = f" near {details['highlight']!r}" if details.get("highlight") else ""
            self.report(details.get("line"), f"is not T-SQL: {details.get('description', error)}{near}")
            return
        except SqlglotError as error:
            self.report(None, f"is not T-SQL: {error}")
            return
        create = statements[0] if len(statements) == 1 else None
        if not isinstance(create, exp.Create) or create.kind != "VIEW" or not create.args.get("replace"):
            self.report(1, f"must hold one statement: CREATE OR ALTER VIEW {REPORTING_SCHEMA}.{self.name} AS SELECT …")
            return
        self._check_target(create)
        if isinstance(create.expression, exp.Query):
            self.query = create.expression
            self.report_all(list(check_shape(self.query)))
            self._collect_references()

    def _check_target(self, create: exp.Create) -> None:
        target = create.this
        if isinstance(target, exp.Schema):
            self.report(1, "name the columns in the SELECT (AS …), not behind the view's name")
            target = target.this
        if (target.db, target.name, target.catalog) != (REPORTING_SCHEMA, self.name, ""):
            found = ".".join(part for part in (target.catalog, target.db, target.name) if part)
            self.report(1, f"creates {found!r}, but the file's name asks for '{REPORTING_SCHEMA}.{self.name}'")

    def _collect_references(self) -> None:
        if self.query is None:
            return
        common = {cte.alias for cte in self.query.find_all(exp.CTE)}
        for table in self.query.find_all(exp.Table):
            if not isinstance(table.this, exp.Identifier):
                self.report(line_of(table), f"{table.sql(dialect='tsql')}: only views can be read")
            elif not table.db and table.name in common:
                continue
            elif table.catalog or table.db not in (BASE_SCHEMA, REPORTING_SCHEMA):
                self.report(
                    line_of(table),
                    f"reads {table.sql(dialect='tsql')!r}; a reporting view reads {BASE_SCHEMA}.* and "
                    f"{REPORTING_SCHEMA}.* only, each with its schema in front",
                )
            else:
                self.references.setdefault(f"{table.db}.{table.name}", line_of(table))


@dataclass(frozen=True)
class ReportingFiles:
    """What could be read of ``sql/serving``, and what is wrong with the rest.

    Args:
        views: whose columns are known, each after those that it reads.
        names: of all views, those that are wrong included.
        problems: of all files.
    """

    views: tuple[ReportingView, ...]
    names: tuple[str, ...]
    problems: tuple[ConfigurationProblem, ...]


def load_reporting_views(folder: Path, base_views: Sequence[BaseView]) -> tuple[ReportingView, ...]:
    """The reporting views below the configuration folder, each after those that it reads.

    Args:
        folder: the configuration folder (``include/``).
        base_views: what they may read.

    Raises:
        ConfigurationError: with the problems of all files.
    """
    files = read_reporting_views(folder, base_views)
    if files.problems:
        raise ConfigurationError(files.problems)
    return files.views


def read_reporting_views(folder: Path, base_views: Sequence[BaseView]) -> ReportingFiles:
    """The same without an exception: a file that is wrong does not hide the others.

    Args:
        folder: the configuration folder.
        base_views: what they may read. Of one without columns nothing is known but that it exists: a view that reads it
            is checked as far as that goes.
    """
    files = [_File(path, folder) for path in sorted((folder / FOLDER).glob("*.sql"))]
    by_name = {f"{REPORTING_SCHEMA}.{file.name}": file for file in files}
    known = {f"{BASE_SCHEMA}.{view.name}" for view in base_views} | by_name.keys()
    for file in files:
        for reference, line in file.references.items():
            if reference not in known:
                file.report(line, _unknown(reference, known))
    views = _translate(_ordered(by_name), schema_of(base_views))
    problems = tuple(problem for file in files for problem in file.problems)
    return ReportingFiles(views, tuple(file.name for file in files), problems)


def _unknown(reference: str, known: set[str]) -> str:
    same = [name for name in sorted(known) if name.casefold() == reference.casefold()]
    if same:
        return f"reads {reference!r}; write {same[0]!r}: names in Synapse's UTF-8 binary collation are case-sensitive"
    return f"reads {reference!r}, which does not exist; known are {sorted(known)!r}"


def _ordered(by_name: Mapping[str, _File]) -> list[_File]:
    graph = {name: sorted(file.references.keys() & by_name.keys()) for name, file in by_name.items()}
    try:
        return [by_name[name] for name in TopologicalSorter(graph).static_order()]
    except CycleError as error:
        circle = " -> ".join(reversed(error.args[1]))
        by_name[error.args[1][0]].report(None, f"views read each other in a circle: {circle}; break it at one place")
        return []


def _unresolved(error: SqlglotError) -> Finding:
    """sqlglot's sentence with the place as a line number, and what is often the reason."""
    sentence, _, place = str(error).partition(". Line: ")
    line = place.partition(",")[0]
    hint = "check its spelling (names are case-sensitive), and repeat expressions in GROUP BY instead of their alias"
    return int(line) if line.isdigit() else None, f"{sentence}; {hint}"


def _translate(files: Sequence[_File], schema: Schema) -> tuple[ReportingView, ...]:
    """Views of a file with problems are left out, and so are those that read them."""
    views = []
    for file in files:
        readable = all(schema.get(r.partition(".")[0], {}).get(r.partition(".")[2]) for r in file.references)
        if file.problems or file.query is None or not readable:
            continue
        try:
            query = resolve(file.query, schema)
        except SqlglotError as error:
            file.report(*_unresolved(error))
            continue
        file.report_all(list(check_types(query)))
        try:
            duckdb = to_duckdb(query)
        except SqlglotError as error:
            file.report(None, f"has no counterpart in DuckDB, which the local profile needs: {error}")
            continue
        schema[REPORTING_SCHEMA][file.name] = {column.alias_or_name: column.type for column in query.selects}
        target = f'CREATE VIEW "{REPORTING_SCHEMA}"."{file.name}" AS\n'
        columns = tuple(column.alias_or_name for column in query.selects)
        views.append(ReportingView(file.name, file.text, target + duckdb, columns, tuple(sorted(file.references))))
    return tuple(views)
