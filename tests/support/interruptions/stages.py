"""The stages of a run as functions, each called in a child process: what the operators of the DAG wrap."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import duckdb  # noqa: F401  # imported before the processes are forked

import spark_jobs.preload  # noqa: F401
from midnight.bronze.batch_id import batch_time
from midnight.bronze.batches import BronzeStore
from midnight.bronze.earlier_sealings import complete_earlier_sealings
from midnight.bronze.increments import plan_read, read_history
from midnight.bronze.manifest import ReadFrom
from midnight.configuration.files import load_configuration
from midnight.configuration.tables import Table
from midnight.data_factory.copy_request import copied_schema, copy_parameters, is_key_part
from midnight.data_factory.seal_batch import AdfBatch
from midnight.errors import MidnightError
from midnight.gold_to_serving.publish import publish_locally
from midnight.lake.files import open_local_lake
from midnight.lake.lock import lake_write_lock
from midnight.postgres_to_bronze.load_group import GroupIngest
from midnight.postgres_to_bronze.source_address import SourceAddress
from midnight.run.document import RunDocument
from midnight.run.plan import RunRequest, plan_run
from midnight.run.run_configuration import load_run_configuration
from midnight.run.superseded import superseded_by
from midnight.settings import Settings
from spark_jobs.gold.run import build_gold
from spark_jobs.runtime.session import open_session
from spark_jobs.silver.run import build_silver
from tests.fakes.adf_parquet import CopyError, copy_to_parquet
from tests.support.interruptions.conditions import set_conditions
from tests.support.interruptions.moments import Moments
from tests.support.interruptions.task import SKIPPED, Result, Task


def run_stage(task: Task, pipe: Connection) -> None:
    """Run a stage in this process, and send its ``Result``. The parent may send SIGTERM or SIGKILL at any time."""
    result = Result()

    def ask() -> None:
        pipe.send("paused")
        pipe.recv()

    root = str(task.settings.home)
    moments = Moments(root, task.action, task.at, task.limit, task.only, ask)
    with open(os.devnull, "w") as nothing, contextlib.redirect_stdout(nothing):
        try:
            set_conditions(task)
            moments.install()
            STAGES[task.stage](task, result.lines.append)
        except (MidnightError, CopyError) as error:
            result.error = f"{type(error).__name__}: {error}"
        except BaseException as error:  # noqa: BLE001  # the parent decides
            result.error, result.expected = "".join(traceback.format_exception(error)), False
    result.events, result.happened = moments.count, bool(moments.last)
    pipe.send(result)
    pipe.close()


def _bronze(settings: Settings) -> BronzeStore:
    return BronzeStore(open_local_lake(), settings.paths, "test")


def _ingest(task: Task, log: Callable[[str], None]) -> None:
    """As IngestOperator does with ``ingest_with: operator``."""
    configuration = load_configuration(task.settings.config)
    bronze = _bronze(task.settings)
    if superseded_by(bronze, configuration.tables, task.batch_id) is not None:
        log(SKIPPED)
        return
    (group,) = configuration.pipeline.groups
    ingest = GroupIngest(
        address=SourceAddress.from_uri(task.dsn),
        bronze=bronze,
        tables=configuration.tables,
        group=group,
        batch_id=task.batch_id,
        run_id=task.batch_id,
        full_reload=task.full_reload,
        log=log,
        warn=log,
    )

    async def until_terminated() -> None:
        running = asyncio.ensure_future(ingest.run())
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, running.cancel)
        try:
            await running
        except asyncio.CancelledError as error:
            raise MidnightError("reading was stopped (SIGTERM)") from error

    asyncio.run(until_terminated())


def _copy(task: Task, log: Callable[[str], None]) -> None:
    """As AzureIngestOperator does with ``ingest_with: adf``: copies, then seals."""
    configuration = load_configuration(task.settings.config)
    bronze, pipeline_run = _bronze(task.settings), secrets.token_hex(4)
    if superseded_by(bronze, configuration.tables, task.batch_id) is not None:
        log(SKIPPED)
        return
    for line in complete_earlier_sealings(bronze, "main", task.batch_id):
        log(line)
    bronze.complete_sealing("main", task.batch_id)
    missing = [t for t in configuration.tables if bronze.intact_manifest(t, task.batch_id) is None]
    rows, keys = _run_pipeline(task, missing, pipeline_run)
    if not missing:
        log("sealed by an earlier try; kept")
    AdfBatch(
        bronze=bronze,
        tables=configuration.tables,
        group="main",
        batch_id=task.batch_id,
        run_id=task.batch_id,
        read_from=ReadFrom(server="factory/midnight_copy", server_version="", database=""),
        started_at=batch_time(task.batch_id),
        pipeline_run=pipeline_run if missing else "",
        rows_copied=rows,
        keys_copied=keys,
        full_reload=task.full_reload,
        log=log,
        warn=log,
    ).seal()


def _copy_late(task: Task, log: Callable[[str], None]) -> None:
    """Write the files of a pipeline run whose task was killed: nothing cancelled the run."""
    _run_pipeline(task, load_configuration(task.settings.config).tables, secrets.token_hex(4))


def _run_pipeline(task: Task, tables: Sequence[Table], pipeline_run: str) -> tuple[dict[str, int], dict[str, int]]:
    """The copies of a pipeline run; by table, the rows and the keys that it reports."""
    bronze = _bronze(task.settings)
    readings = {
        t.qualified_name: plan_read(
            t, copied_schema(t), task.batch_id, read_history(bronze, t, task.batch_id), full_reload=task.full_reload
        )
        for t in tables
    }
    rows: dict[str, int] = {}
    keys: dict[str, int] = {}
    if not tables:
        return rows, keys
    copies = copy_parameters(task.settings.paths, "test", tables, task.batch_id, readings=readings)["tables"]
    for number, copy in enumerate(copies, 1):
        content, count = copy_to_parquet(task.dsn, copy["query"], threading.Event())
        is_cut = number == min(task.cut_copy, len(copies))
        folder = Path(task.settings.paths.bronze) / copy["folder"]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{pipeline_run}-{copy['part']}.parquet").write_bytes(
            content[: len(content) // 2 if is_cut else None]
        )
        if is_cut:
            raise CopyError("ErrorCode=UserErrorSourceConnectionLost,'Message=the runtime was stopped'")
        name = f"{copy['schema']}.{copy['table']}"
        counts = keys if is_key_part(copy["part"]) else rows
        counts[name] = counts.get(name, 0) + count
    return rows, keys


def _plan(task: Task, log: Callable[[str], None]) -> None:
    configuration = load_run_configuration(task.settings, [])
    plan_run(RunRequest(task.batch_id, task.batch_id), configuration, _bronze(task.settings))


def _job(task: Task, log: Callable[[str], None], work: Callable[..., Any]) -> None:
    paths = task.settings.paths
    text = open_local_lake().read_text(paths.run_document(task.batch_id))
    if text is None:
        raise MidnightError("there is no run document")
    document = RunDocument.model_validate_json(text)
    with lake_write_lock(paths, task.stage, log, 60), open_session("sail") as session:
        work(session, document)


def _silver(task: Task, log: Callable[[str], None]) -> None:
    _job(task, log, build_silver)


def _gold(task: Task, log: Callable[[str], None]) -> None:
    _job(task, log, build_gold)


def _publish(task: Task, log: Callable[[str], None]) -> None:
    publish_locally(
        paths=task.settings.paths,
        files=open_local_lake(),
        configuration=task.settings.config,
        database=task.settings.serving_database,
        batch_id=task.batch_id,
        run_id=task.batch_id,
    )


STAGES: dict[str, Callable[[Task, Callable[[str], None]], None]] = {
    "ingest": _ingest,
    "copy": _copy,
    "copy late": _copy_late,
    "plan": _plan,
    "silver": _silver,
    "gold": _gold,
    "publish": _publish,
}

if __name__ == "__main__":
    sys.exit("use python -m tests.support.interruptions")
