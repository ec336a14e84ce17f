"""What both jobs share: one JSON document of arguments, the run document, the lifeline, and how a job ends."""

from __future__ import annotations

import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from midnight.errors import NON_RETRYABLE_ERRORS, NON_RETRYABLE_MARKER, LakeError, MidnightError
from midnight.lake.paths import check_lake_path
from midnight.run.document import RunDocument
from spark_jobs.runtime.masking_key import STDIN, find_masking_key, read_first_line
from spark_jobs.runtime.session import Engine, abandon_local_engines, open_session

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

Work = Callable[..., Any]  # session, run document

LIFELINE_VARIABLE = "MIDNIGHT_LIFELINE"
EXIT_ORPHANED = 3


class JobArguments(BaseModel):
    """The one argument of a job.

    Args:
        run_document: path or URL of the run document in the lake.
        engine: which session the job opens.
        steps: names of the steps that this run does, with commas; empty means all. The others end at once.
        masking_key: where the key of masked columns is: ``stdin`` (its first line) or ``scope:<secret scope>``.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    run_document: str
    engine: Engine = "databricks"
    steps: str = Field(default="", pattern=r"^((bronze_to_silver|silver_to_gold),?)*$")
    masking_key: str = Field(default="", pattern=r"^$|^stdin$|^scope:.+$")

    def leaves_out(self, step: str) -> bool:
        """Whether this run does not do the step."""
        return self.steps != "" and step not in self.steps.split(",")


def main(argv: Sequence[str], work: Work, step: str = "", *, masks: bool = False) -> int:
    """Run a job.

    Args:
        argv: one element: ``{"run_document": "…", "engine": "sail"}``.
        work: gets the session and the run document.
        step: its name.
        masks: ``work`` also gets the ``masking_key``, None when no table needs it.

    Returns:
        The process's exit code: 0, or 1 after an error, whose sentence is the last line on stderr.
    """
    try:
        arguments = parse_arguments(argv)
        first_line = read_first_line() if arguments.masking_key == STDIN else ""
        watch_lifeline()
        if arguments.leaves_out(step):
            print(f"this run does {arguments.steps} only: nothing to do for {step}")
            return 0
        check_lake_path(arguments.engine, arguments.run_document)
        with open_session(arguments.engine) as session:
            document = read_run_document(session, arguments.run_document)
            for layer in document.paths.as_dict().values():
                check_lake_path(arguments.engine, layer)
            options = {}
            if masks:
                tables = [table_work.table for table_work in document.tables]
                options["masking_key"] = find_masking_key(tables, arguments.masking_key, first_line)
            work(session, document, **options)
    except MidnightError as error:
        return _report(error)
    except Exception as error:  # noqa: BLE001 - the last handler of the process: the cause stays in the traceback
        traceback.print_exc()
        return _report(error)
    return 0


def _report(error: Exception) -> int:
    message = " ".join(str(error).split()) or type(error).__name__
    sys.stdout.flush()
    if isinstance(error, NON_RETRYABLE_ERRORS):
        print(NON_RETRYABLE_MARKER, file=sys.stderr)
    print(f"error: {message}", file=sys.stderr, flush=True)
    return 1


def run(work: Work, step: str = "", *, masks: bool = False) -> None:
    """Entry point of a console script or of a Databricks wheel task.

    A Databricks task that ends by ``sys.exit(0)`` counts as failed, so a good end just returns.
    """
    code = main(sys.argv[1:], work, step, masks=masks)
    if code:
        sys.exit(code)


def parse_arguments(argv: Sequence[str]) -> JobArguments:
    """The arguments of a job.

    Raises:
        MidnightError: not exactly one JSON document of the right form.
    """
    usage = '{"run_document": "<path or URL>", "engine": "sail" | "spark" | "databricks" | "serverless"}'
    if len(argv) != 1:
        raise MidnightError(f"a job takes one argument, {usage}, not {list(argv)!r}")
    try:
        return JobArguments.model_validate_json(argv[0])
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise MidnightError(f"a job takes {usage}, not {argv[0]!r}: {field} {first['msg']}") from error


def read_run_document(session: SparkSession, path: str) -> RunDocument:
    """The run document, wherever the lake is.

    Raises:
        LakeError: it does not exist, cannot be read, or is not a run document of this version.
    """
    text = _read_through(session, path) if "://" in path else _read_here(path)
    if text is None:
        raise LakeError(f"run document {path!r} does not exist; run the ingest again")
    try:
        return RunDocument.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise LakeError(f"{path!r} is not a run document of this version: {field} {first['msg']}") from error


def _read_here(path: str) -> str | None:
    """Not by the engine: Sail reads a file of more than a megabyte in parts, and gives these in any order."""
    try:
        return Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise LakeError(f"run document {path!r} cannot be read: {error}; run the ingest again") from error


def _read_through(session: SparkSession, path: str) -> str | None:
    """By the session, which can reach the lake in the cloud."""
    from pyspark.errors import PySparkException

    try:
        rows = session.read.text(path, wholetext=True).collect()
    except PySparkException as error:
        raise LakeError(f"run document {path!r} cannot be read: {_first_line(error)}; run the ingest again") from error
    return "".join(row[0] for row in rows) if rows else None


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:500]


def watch_lifeline() -> None:
    """Die when the process that started us dies.

    A local operator sets ``MIDNIGHT_LIFELINE=stdin`` and keeps our standard input open. When the Airflow task is
    killed (kill -9 included) the input ends and so do we, so that no writer is left behind beside the next try.
    """
    if os.environ.get(LIFELINE_VARIABLE) == "stdin":
        signal.signal(signal.SIGTERM, lambda number, _: _exit_at_once(128 + number))
        threading.Thread(target=_wait_for_end_of_input, name="midnight-lifeline", daemon=True).start()


def _wait_for_end_of_input() -> None:
    # The file descriptor, not sys.stdin: a child JVM or a library may replace or close the latter.
    while os.read(0, 4096):
        pass
    _exit_at_once(EXIT_ORPHANED)


def _exit_at_once(code: int) -> None:
    abandon_local_engines()
    os._exit(code)
