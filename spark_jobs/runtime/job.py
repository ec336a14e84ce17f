"""The common part of both jobs: the arguments (one JSON document), the run document, the lifeline, the exit."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from midnight.errors import (
    NON_RETRYABLE_ERRORS,
    NON_RETRYABLE_MARKER,
    RELEASABLE_MARKER,
    LakeError,
    MidnightError,
    ReleasableError,
    first_line,
)
from midnight.lake.paths import check_lake_path, is_local
from midnight.run.document import RunDocument
from spark_jobs.runtime.masking_key import STDIN, find_masking_key, read_first_line
from spark_jobs.runtime.session import Engine, abandon_local_engines, open_session

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

Work = Callable[..., Any]  # session, run document

LIFELINE_VARIABLE = "MIDNIGHT_LIFELINE"
EXIT_ORPHANED = 3
_READ_HINT = "hint: check the permission on the lake, then clear the task plan_batch"


class JobArguments(BaseModel):
    """The one argument of a job.

    Args:
        run_document: path or URL of the run document in the lake.
        engine: of the session to open.
        steps: comma-separated names of the steps to run; empty means all. Other steps end immediately.
        masking_key: source of the masking key: ``stdin`` (its first line) or ``scope:<secret scope>``.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    run_document: str
    engine: Engine = "databricks"
    steps: str = Field(default="", pattern=r"^((bronze_to_silver|silver_to_gold),?)*$")
    masking_key: str = Field(default="", pattern=r"^$|^stdin$|^scope:.+$")

    def leaves_out(self, step: str) -> bool:
        """Whether the step is not to be run."""
        return self.steps != "" and step not in self.steps.split(",")


def main(argv: Sequence[str], work: Work, step: str = "", *, masks: bool = False) -> int:
    """Run a job.

    Args:
        argv: one element: ``{"run_document": "…", "engine": "sail"}``.
        work: called with the session and the run document.
        step: name of the step.
        masks: ``work`` is also called with the ``masking_key``, None if no table needs it.

    Returns:
        The exit code of the process: 0, or 1 after an error, whose message is the last line on stderr.
    """
    try:
        arguments = parse_arguments(argv)
        key_text = read_first_line() if arguments.masking_key == STDIN else ""
        watch_lifeline()
        if arguments.leaves_out(step):
            print(f"{step}: skipped, this run only has steps {arguments.steps!r}")
            return 0
        check_lake_path(arguments.engine, arguments.run_document)
        with open_session(arguments.engine) as session:
            document = read_run_document(session, arguments.run_document)
            for layer in document.paths.as_dict().values():
                check_lake_path(arguments.engine, layer)
            options = {}
            if masks:
                tables = [table_work.table for table_work in document.tables]
                options["masking_key"] = find_masking_key(tables, arguments.masking_key, key_text)
            work(session, document, **options)
    except MidnightError as error:
        return _report(error)
    except Exception as error:  # noqa: BLE001 - the last handler of the process; the traceback has the cause
        traceback.print_exc()
        return _report(error)
    return 0


def _report(error: Exception) -> int:
    message = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, OSError):  # of pyarrow or the operating system
        message += "; hint: check the free space and the permissions of the lake, then clear the task"
    sys.stdout.flush()
    if isinstance(error, NON_RETRYABLE_ERRORS):
        print(NON_RETRYABLE_MARKER, file=sys.stderr)
    if isinstance(error, ReleasableError) and error.releasable:
        print(f"{RELEASABLE_MARKER}{json.dumps(error.releasable)}", file=sys.stderr)
    print(f"error: {message}", file=sys.stderr, flush=True)
    return 1


def run(work: Work, step: str = "", *, masks: bool = False) -> None:
    """Entry point of a console script or of a Databricks wheel task.

    A Databricks task that calls ``sys.exit(0)`` counts as failed, so a successful job just returns.
    """
    code = main(sys.argv[1:], work, step, masks=masks)
    if code:
        sys.exit(code)


def parse_arguments(argv: Sequence[str]) -> JobArguments:
    """The arguments of a job.

    Raises:
        MidnightError: not exactly one valid JSON document.
    """
    usage = '{"run_document": "<path or URL>", "engine": "sail" | "spark" | "databricks" | "serverless"}'
    if len(argv) != 1:
        raise MidnightError(f"invalid arguments {list(argv)!r}; hint: a job takes one argument, {usage}")
    try:
        return JobArguments.model_validate_json(argv[0])
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise MidnightError(
            f"invalid argument {argv[0]!r}: {field}: {first['msg']}; hint: a job takes {usage}"
        ) from error


def read_run_document(session: SparkSession, path: str) -> RunDocument:
    """Read the run document from a local lake or from Azure.

    Raises:
        LakeError: it does not exist, cannot be read, or is not valid for this version.
    """
    text = _read_local(path) if is_local(path) else _read_by_engine(session, path)
    if text is None:
        raise LakeError(f"run document {path!r} does not exist; hint: clear the task plan_batch")
    try:
        return RunDocument.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise LakeError(
            f"{path!r} is not a run document of this version: {field}: {first['msg']}; "
            "hint: deploy the same version of Airflow's code and the job's wheel, then clear the task plan_batch"
        ) from error


def _read_local(path: str) -> str | None:
    """Without the engine: Sail reads a file of more than a megabyte in parts and returns them in any order."""
    try:
        return Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise LakeError(f"run document {path!r} cannot be read: {error}; {_READ_HINT}") from error


def _read_by_engine(session: SparkSession, path: str) -> str | None:
    """By the session, which has access to the lake in Azure."""
    from pyspark.errors import PySparkException

    try:
        rows = session.read.text(path, wholetext=True).collect()
    except PySparkException as error:
        raise LakeError(f"run document {path!r} cannot be read: {first_line(error)}; {_READ_HINT}") from error
    return "".join(row[0] for row in rows) if rows else None


def watch_lifeline() -> None:
    """Exit when the parent process exits.

    A local operator sets ``MIDNIGHT_LIFELINE=stdin`` and keeps the standard input of this process open. When the
    Airflow task is killed (even by kill -9), the input ends and this process exits, so that it does not write
    concurrently with the next try.
    """
    if os.environ.get(LIFELINE_VARIABLE) == "stdin":
        signal.signal(signal.SIGTERM, lambda number, _: _exit_immediately(128 + number))
        threading.Thread(target=_wait_for_end_of_input, name="midnight-lifeline", daemon=True).start()


def _wait_for_end_of_input() -> None:
    # The file descriptor, not sys.stdin: a child JVM or a library may replace or close the latter.
    while os.read(0, 4096):
        pass
    _exit_immediately(EXIT_ORPHANED)


def _exit_immediately(code: int) -> None:
    abandon_local_engines()
    os._exit(code)
