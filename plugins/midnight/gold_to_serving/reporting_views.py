"""The hand-written reporting views, ``include/sql/serving/<name>.sql``: read, checked, and ordered by reference.

Each file holds one statement ``CREATE OR ALTER VIEW reporting.<name> AS SELECT …`` in T-SQL, which reads base views
(``gold.<model>``) and other reporting views. Synapse gets the unchanged text. DuckDB gets a translation, unless the
first line is ``-- midnight: azure only``: such a view is checked without types, and does not exist locally.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import TYPE_CHECKING

from midnight.configuration.text_files import unreadable
from midnight.errors import ConfigurationError, ConfigurationProblem
from midnight.gold_to_serving.base_views import BASE_SCHEMA, BaseView, tsql_columns
from midnight.gold_to_serving.local_views import LocalView, bind_views, prepare_database
from midnight.gold_to_serving.tsql import query_syntax as q
from midnight.gold_to_serving.tsql import syntax as s
from midnight.gold_to_serving.tsql.parse_query import parse_view
from midnight.gold_to_serving.tsql.problems import Problem, RefusedError
from midnight.gold_to_serving.tsql.translate import Translation, translate_view
from midnight.gold_to_serving.tsql.types import SqlType

if TYPE_CHECKING:
    import duckdb

REPORTING_SCHEMA = "reporting"
FOLDER = Path("sql") / "serving"
AZURE_ONLY = "-- midnight: azure only"
_AZURE_ONLY_HINT = f"publish this view on Synapse only as well, with the first line {AZURE_ONLY!r}"
Schema = dict[str, dict[str, SqlType]]


@dataclass(frozen=True)
class ReportingView:
    """The view ``reporting.<name>``.

    Args:
        name: of the view and its file.
        tsql: the statement as written.
        duckdb: the statement in DuckDB's SQL; None for a view that is published on Synapse only.
        columns: names in order.
        references: views that it reads, as ``gold.x`` or ``reporting.x``, sorted.
        types: T-SQL types of the columns; empty for a view that is published on Synapse only.
    """

    name: str
    tsql: str
    duckdb: str | None
    columns: tuple[str, ...]
    references: tuple[str, ...]
    types: Mapping[str, SqlType]


class _File:
    """One file, and its problems."""

    def __init__(self, path: Path, base: Path) -> None:
        self.name = path.stem
        self.where = str(path.relative_to(base))
        self.text = ""
        self.problems: list[ConfigurationProblem] = []
        self.view: q.View | None = None
        self.references: dict[str, int] = {}
        try:
            self.text = path.read_text(encoding="utf-8").rstrip().rstrip(";").rstrip()
        except (OSError, UnicodeDecodeError) as error:
            self.report(*unreadable(error))
            return
        try:
            self.view = parse_view(self.text)
        except RefusedError as error:
            self.report(error.problem.line, error.problem.message)
            return
        self._check_target(self.view)
        self._collect_references(self.view)

    @property
    def azure_only(self) -> bool:
        """Whether the first line marks the view as published on Synapse only."""
        return self.text.lstrip().partition("\n")[0].strip().lower() == AZURE_ONLY

    def report(self, line: int | None, message: str) -> None:
        problem = ConfigurationProblem(self.where, line or 1, "", message)
        if problem not in self.problems:
            self.problems.append(problem)

    def report_all(self, problems: Sequence[Problem]) -> None:
        for problem in problems:
            self.report(problem.line, problem.message)

    def _check_target(self, view: q.View) -> None:
        if view.columns:
            self.report(view.line, "has a column list after its name; hint: name the columns in the SELECT (AS …)")
        if view.parts != (REPORTING_SCHEMA, self.name):
            found = ".".join(view.parts)
            self.report(view.line, f"creates {found!r}; hint: create '{REPORTING_SCHEMA}.{self.name}', the file's name")

    def _collect_references(self, view: q.View) -> None:
        common = {cte.name for cte in view.query.ctes}
        for node in s.walk(view.query):
            if not isinstance(node, q.Table) or (len(node.parts) == 1 and node.parts[0] in common):
                continue
            name = ".".join(node.parts)
            if len(node.parts) != 2 or node.parts[0] not in (BASE_SCHEMA, REPORTING_SCHEMA):
                self.report(
                    node.line,
                    f"reads {name!r}; hint: a reporting view reads only {BASE_SCHEMA}.* and {REPORTING_SCHEMA}.*, "
                    "each qualified with its schema",
                )
            else:
                self.references.setdefault(name, node.line)


@dataclass(frozen=True)
class ReportingFiles:
    """The reporting views of ``sql/serving``, and the problems of their files.

    Args:
        views: those whose columns are known, each after those that it reads.
        names: of all views, including those with problems.
        problems: of all files.
    """

    views: tuple[ReportingView, ...]
    names: tuple[str, ...]
    problems: tuple[ConfigurationProblem, ...]


def load_reporting_views(
    folder: Path, base_views: Sequence[BaseView], *, without: Collection[str] = ()
) -> tuple[ReportingView, ...]:
    """Load the reporting views of the configuration folder, each after those that it reads.

    They are translated, and DuckDB binds each translation over empty base views, so that errors appear before a run.

    Args:
        folder: the configuration folder (``include/``).
        base_views: that they may read.
        without: models that have never been built (``gold.x``); views that read one of them are left out.

    Raises:
        ConfigurationError: lists the problems of all files.
    """
    import duckdb

    with duckdb.connect() as connection:
        prepare_database(connection)
        files = read_reporting_views(folder, base_views, connection, without=without)
    if files.problems:
        raise ConfigurationError(files.problems)
    return files.views


def read_reporting_views(
    folder: Path,
    base_views: Sequence[BaseView],
    connection: duckdb.DuckDBPyConnection,
    *,
    without: Collection[str] = (),
) -> ReportingFiles:
    """Read the reporting views without raising: a file with problems does not hide the others.

    Args:
        folder: the configuration folder.
        base_views: that they may read. One without columns is only known to exist: views that read it are checked
            without types.
        connection: to a database that ``prepare_database`` has prepared; the views are created there.
        without: as in ``load_reporting_views``.
    """
    files = _leave_out([_File(path, folder) for path in sorted((folder / FOLDER).glob("*.sql"))], set(without))
    by_name = {f"{REPORTING_SCHEMA}.{file.name}": file for file in files}
    known = {f"{BASE_SCHEMA}.{view.name}" for view in base_views} | by_name.keys()
    for file in files:
        for reference, line in file.references.items():
            if reference not in known:
                file.report(line, _unknown(reference, known))
            elif not file.azure_only and reference in by_name and by_name[reference].azure_only:
                file.report(line, f"reads {reference!r}, which is published on Synapse only; hint: {_AZURE_ONLY_HINT}")
    views, local = _translate(_ordered(by_name), base_views)
    for found in bind_views(connection, base_views, local):
        by_name[f"{REPORTING_SCHEMA}.{found.view}"].report(found.line, found.message)
    problems = tuple(problem for file in files for problem in file.problems)
    return ReportingFiles(views, tuple(file.name for file in files), problems)


def _leave_out(files: list[_File], without: set[str]) -> list[_File]:
    """The files of the views that read none of some views, neither directly nor through other views."""
    while unbuilt := [file for file in files if without & file.references.keys()]:
        without |= {f"{REPORTING_SCHEMA}.{file.name}" for file in unbuilt}
        files = [file for file in files if file not in unbuilt]
    return files


def azure_only(views: Sequence[ReportingView]) -> tuple[str, ...]:
    """Return the views that a local run does not publish, as ``reporting.x``."""
    return tuple(f"{REPORTING_SCHEMA}.{view.name}" for view in views if view.duckdb is None)


def _unknown(reference: str, known: set[str]) -> str:
    same = [name for name in sorted(known) if name.casefold() == reference.casefold()]
    if same:
        return (
            f"reads {reference!r}; hint: write {same[0]!r}, since names in Synapse's UTF-8 binary collation are "
            "case-sensitive"
        )
    return f"reads {reference!r}, which does not exist; hint: use one of {sorted(known)!r}"


def _ordered(by_name: Mapping[str, _File]) -> list[_File]:
    graph = {name: sorted(file.references.keys() & by_name.keys()) for name, file in by_name.items()}
    try:
        return [by_name[name] for name in TopologicalSorter(graph).static_order()]
    except CycleError as error:
        cycle = " -> ".join(reversed(error.args[1]))
        first = by_name[error.args[1][-1]]
        line = first.references[error.args[1][-2]]
        first.report(line, f"views reference each other in a cycle: {cycle}; hint: remove one of the references")
        return []


def _translate(
    files: Sequence[_File], base_views: Sequence[BaseView]
) -> tuple[tuple[ReportingView, ...], list[LocalView]]:
    """Translate the views; those with problems are left out, and so are those that read them."""
    schema = {f"{BASE_SCHEMA}.{view.name}": tsql_columns(view) for view in base_views}
    views: list[ReportingView] = []
    local: list[LocalView] = []
    for file in files:
        if file.view is None or any(reference not in schema for reference in file.references):
            continue
        known = {reference: schema[reference] for reference in file.references}
        if not all(known.values()) and not file.azure_only:
            continue  # it reads a view with unknown columns
        # The types of an Azure-only view are unknown.
        translation = translate_view(file.view, known) if all(known.values()) else Translation(None, (), ())
        file.report_all([p for p in translation.problems if p.in_tsql or not file.azure_only])
        if file.problems:
            continue
        name = f"{REPORTING_SCHEMA}.{file.name}"
        columns = tuple(column.name for column in translation.columns) or _selected_names(file.view.query)
        schema[name] = {} if file.azure_only else {column.name: column.type for column in translation.columns}
        duckdb = None if file.azure_only else translation.duckdb
        if duckdb is not None:
            local.append(LocalView(file.name, duckdb, translation.constants))
        views.append(ReportingView(file.name, file.text, duckdb, columns, tuple(sorted(file.references)), schema[name]))
    return tuple(views), local


def _selected_names(query: q.Query) -> tuple[str, ...]:
    """The column names of the first SELECT."""
    body: s.Node = query
    while not isinstance(body, q.Select):
        body = body.body if isinstance(body, q.Query) else body.left  # type: ignore[attr-defined]
    names = []
    for item in body.items:
        if item.alias or isinstance(item.expression, s.Name):
            names.append(item.alias or item.expression.parts[-1])  # type: ignore[attr-defined]
    return tuple(names)
