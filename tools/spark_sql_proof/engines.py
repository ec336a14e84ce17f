"""Expressions and queries on both engines: their types, and a value or an error for each row."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException

from midnight.errors import first_line
from spark_jobs.runtime.session import open_session

ERROR = "ERROR"
TABLE = "grid"
ANSWER_SECONDS = 60


def canonical(value: Any) -> str:
    """Return a value as text: equal texts are equal values. NaN equals NaN; the sign of zero is ignored, as in SQL."""
    if isinstance(value, float) and value == 0:
        return "0.0"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {canonical(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(canonical(item) for item in value) + "]"
    return repr(value)


def _values(column: Any) -> list[str]:
    """The values of an Arrow column; bytes that are not valid UTF-8 (possible after a cast) are shown as bytes."""
    try:
        return [canonical(value) for value in column.to_pylist()]
    except UnicodeDecodeError:
        return [canonical(value if value is None else bytes(value)) for value in column.cast(pa.binary()).to_pylist()]
    except OverflowError:  # a time that Python cannot represent: as its number
        number = pa.int32() if pa.types.is_date32(column.type) else pa.int64()
        wanted = pa.list_(number) if pa.types.is_list(column.type) else number
        return [canonical(value) for value in column.cast(wanted).to_pylist()]


class EngineLostError(Exception):
    """The JVM of Apache Spark has died: no further result would be valid."""


def check_alive(error: Exception) -> None:
    """Check that an error is a result of the engine.

    Raises:
        EngineLostError: the error does not come from Apache Spark.
    """
    if not isinstance(error, PySparkException | Py4JJavaError):
        raise EngineLostError(f"{type(error).__name__}: {first_line(error, 160)}") from error


def statement(expressions: Sequence[str], where: str, *, grouped: bool = False) -> str:
    """A query over the grid with one column for each expression."""
    selected = ", ".join(f"{text} AS c{number}" for number, text in enumerate(expressions))
    last = "GROUP BY j ORDER BY j" if grouped else "ORDER BY id"
    return f"SELECT {selected} FROM {TABLE} WHERE {where} {last}"


def columns_of(frame: Any, *, in_order: bool = True) -> list[tuple[str, tuple[str, ...]]]:
    """Return type and values of each column of a result; without an order the rows are sorted."""
    kinds = [field.dataType.simpleString() for field in frame.schema]
    texts = list(zip(*(_values(column) for column in frame.toArrow().columns), strict=True))
    if not in_order:
        texts.sort()
    return [(kind, tuple(row[n] for row in texts)) for n, kind in enumerate(kinds)]


class Sail:
    """Expressions on Sail; failing rows are found by querying them separately."""

    def __init__(self, session: Any) -> None:
        self.session = session

    def run(self, text: str, *, in_order: bool = True) -> list[tuple[str, tuple[str, ...]]]:
        """Columns of a query.

        Raises:
            PySparkException: it is not accepted, or a row fails.
            TimeoutError: there was no result in time.
        """
        outcome: queue.Queue[Any] = queue.Queue()

        def work() -> None:
            try:
                outcome.put(columns_of(self.session.sql(text), in_order=in_order))
            except Exception as error:  # noqa: BLE001 - raised again below
                outcome.put(error)

        # Sail 0.7.2 sometimes never finishes a query with many aggregates.
        threading.Thread(target=work, daemon=True).start()
        try:
            found = outcome.get(timeout=ANSWER_SECONDS)
        except queue.Empty:
            raise TimeoutError(f"no answer within {ANSWER_SECONDS} seconds") from None
        if isinstance(found, Exception):
            raise found
        columns: list[tuple[str, tuple[str, ...]]] = found
        return columns

    def kind(self, expression: str) -> str:
        """Type of an expression."""
        return str(self.session.sql(statement([expression], "true")).schema[0].dataType.simpleString())


class Spark:
    """Expressions on Apache Spark; Catalyst's ``TryEval`` catches the error of each row."""

    def __init__(self, session: Any) -> None:
        from pyspark import SparkContext
        from pyspark.sql.session import SparkSession

        self.session = session
        # It logs every refused expression with its stack.
        logging.getLogger("SQLQueryContextLogger").disabled = True
        context: Any = SparkContext._active_spark_context
        self._jvm = context._jvm
        self._jsession = self._jvm.org.apache.spark.sql.classic.SparkSession.builder().getOrCreate()
        for name, value in _SPARK_SETTINGS.items():
            self._jsession.conf().set(name, value)
        self._session: Any = SparkSession(context, self._jsession)

    def read(self, path: str) -> None:
        """Load the grid as a table in memory."""
        frame = self._jsession.read().format("delta").load(path)
        frame.cache()
        frame.count()
        frame.createOrReplaceTempView(TABLE)
        self.session.read.format("delta").load(path).createOrReplaceTempView(TABLE)

    def kinds(self, expressions: Sequence[str], *, grouped: bool) -> list[str]:
        """Types of expressions.

        Raises:
            Exception: py4j's with Spark's message: one of them is not accepted.
        """
        schema = self._jsession.sql(statement(expressions, "true", grouped=grouped)).schema()
        return [str(schema.apply(n).dataType().simpleString()) for n in range(len(expressions))]

    def values(self, expressions: Sequence[str], where: str) -> list[list[str]]:
        """Values of accepted expressions by row."""
        from pyspark.sql.classic.dataframe import DataFrame

        boxed = [f"named_struct('x', {text})" for text in expressions]
        analysed = self._jsession.sql(statement(boxed, where)).queryExecution().analyzed()
        plan = self._guarded(analysed)
        frame = self._jvm.org.apache.spark.sql.classic.Dataset.ofRows(self._jsession, plan)
        # Not toArrow: its cast refuses a null struct with a field that cannot be null.
        batches = DataFrame(frame, self._session)._collect_as_arrow()
        columns = pa.Table.from_batches(batches).columns[: len(expressions)]
        return [
            [
                ERROR if failed else value
                for failed, value in zip(box.is_null().to_pylist(), _values(inner), strict=True)
            ]
            for box in columns
            for inner in [pa.chunked_array([chunk.field(0) for chunk in box.chunks])]
        ]

    def run(self, text: str, *, in_order: bool = True) -> list[tuple[str, tuple[str, ...]]]:
        """Columns of a query.

        Raises:
            PySparkException: it is not accepted, or a row fails.
        """
        frame = self._session.sql(text)
        # A query that fails while Arrow is fetched ends in a timeout of a socket, not in its error.
        frame._jdf.queryExecution().executedPlan().executeCollect()
        return columns_of(frame, in_order=in_order)

    def _guarded(self, plan: Any) -> Any:
        """The plan with each column of its select list in a ``TryEval``."""
        catalyst, sequence = self._jvm.org.apache.spark.sql.catalyst, self._jvm.PythonUtils.toSeq
        if plan.nodeName() != "Project" or plan.child().nodeName() == "Sort":
            children = [self._guarded(plan.children().apply(n)) for n in range(plan.children().size())]
            return plan.withNewChildren(sequence(children))
        guarded, aliases = [], plan.projectList()
        for position in range(aliases.size()):
            alias = aliases.apply(position)
            if alias.nodeName() != "Alias":
                guarded.append(alias)
                continue
            attempt = catalyst.expressions.TryEval(alias.child())
            guarded.append(alias.withNewChildren(sequence([attempt])))
        return catalyst.plans.logical.Project(sequence(guarded), plan.child())


_SPARK_SETTINGS = {
    # An error must stay inside its own expression, and 700 rows are not worth compiled code.
    "spark.sql.subexpressionElimination.enabled": "false",
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
}


@contextmanager
def sail(path: str) -> Iterator[Sail]:
    """Sail with the grid."""
    with open_session("sail") as session:
        session.read.format("delta").load(path).createOrReplaceTempView(TABLE)
        yield Sail(session)


@contextmanager
def spark(path: str) -> Iterator[Spark]:
    """Apache Spark with the grid."""
    with open_session("spark") as session:
        engine = Spark(session)
        engine.read(path)
        yield engine
