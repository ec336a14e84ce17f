"""Runs the two Spark jobs on a benchmark's lake, each in its own process as a run does, and measures them."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from midnight.bronze.batches import BronzeStore
from midnight.lake.files import open_local_lake
from midnight.lake.paths import LakePaths
from midnight.run.document import RunDocument
from midnight.run.plan import RunRequest, plan_run
from midnight.run.run_configuration import RunConfiguration
from midnight.settings import REPOSITORY

SOURCE = "benchmark"
JOBS = ("bronze_to_silver", "silver_to_gold")
_EMPTY_ROUNDS = 3


@dataclass(frozen=True)
class JobCost:
    """What one job cost.

    Args:
        seconds: from the start of its process to its end.
        processor: seconds of all its threads and child processes; other programs on the machine change them less.
        megabytes: peak memory of the process, or of the largest of its children (the JVM of Apache Spark).
        files: that it wrote and that still exist; a hard link to an older file is not one.
        written: bytes of these files.
    """

    seconds: float
    processor: float
    megabytes: float
    files: int = 0
    written: int = 0


@dataclass(frozen=True)
class RunCost:
    """The jobs of one run."""

    silver: JobCost
    gold: JobCost

    @property
    def seconds(self) -> float:
        return self.silver.seconds + self.gold.seconds

    @property
    def processor(self) -> float:
        return self.silver.processor + self.gold.processor

    @property
    def megabytes(self) -> float:
        return max(self.silver.megabytes, self.gold.megabytes)


def batch_id(number: int) -> str:
    """Batches in their order."""
    return f"202401{1 + number // 1000:02d}T{number % 1000:09d}Z-00000000"


def run_jobs(engine: str, paths: LakePaths, configuration: RunConfiguration, number: int) -> RunCost:
    """Plan the run of a batch as the pipeline does, then run both jobs."""
    bronze = BronzeStore(open_local_lake(), paths, SOURCE)
    plan_run(RunRequest(batch_id(number), f"run-{number}"), configuration, bronze)
    return run_planned_jobs(engine, paths, number)


def run_planned_jobs(engine: str, paths: LakePaths, number: int) -> RunCost:
    """Run both jobs of a batch that is planned already."""
    document = paths.run_document(batch_id(number))
    silver = _measure(JOBS[0], document, engine, paths.silver)
    return RunCost(silver, _measure(JOBS[1], document, engine, paths.gold))


def empty_jobs(engine: str) -> RunCost:
    """The jobs of a run without tables and models: what starting them costs; the median of some rounds."""
    with tempfile.TemporaryDirectory(prefix="midnight-bench-") as folder:
        paths = LakePaths.below(f"{folder}/lake")
        document = RunDocument(batch_id=batch_id(0), run_id="empty", lake=paths.as_dict(), tables=())
        path = paths.run_document(batch_id(0))
        open_local_lake().write_text(path, document.to_json())
        measured = [[_measure(job, path, engine, paths.gold) for job in JOBS] for _ in range(_EMPTY_ROUNDS)]
    medians = [
        JobCost(
            statistics.median(run[i].seconds for run in measured),
            statistics.median(run[i].processor for run in measured),
            max(run[i].megabytes for run in measured),
        )
        for i in range(len(JOBS))
    ]
    return RunCost(*medians)


def _measure(job: str, document: str, engine: str, layer: str) -> JobCost:
    """
    Raises:
        RuntimeError: the job failed.
    """
    before = existing_files(layer)
    arguments = json.dumps({"run_document": document, "engine": engine})
    code = os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "plugins")])
    with tempfile.TemporaryFile() as output:
        started = time.perf_counter()
        process = subprocess.Popen(  # noqa: S603 - our own module
            [sys.executable, "-P", "-m", f"spark_jobs.{job}", arguments],
            env={**os.environ, "PYTHONPATH": code},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        _, status, usage = os.wait4(process.pid, 0)  # instead of process.wait(): with the use of memory
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            output.seek(0)
            raise RuntimeError(f"{job} ended with {process.returncode}:\n{output.read().decode(errors='replace')}")
    new = {file: size for file, size in existing_files(layer).items() if file not in before}
    return JobCost(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, len(new), sum(new.values()))


def existing_files(folder: str, pattern: str = "*") -> dict[tuple[int, int], int]:
    """Inode and time -> bytes of each file below a folder; a file and its hard links are one."""
    found = {}
    for path in Path(folder).rglob(pattern):
        if path.is_file():
            status = path.stat()
            found[status.st_ino, status.st_mtime_ns] = status.st_size
    return found
