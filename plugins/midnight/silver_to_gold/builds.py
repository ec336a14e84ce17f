"""Builds of gold: one recorded row per complete build, with the path of each model's table.

A model's folder is written once and never changed; a build that is not recorded does not exist for readers. The last
gold therefore stays readable and consistent until the next build is complete and has passed its checks.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Literal

from pydantic import BaseModel, ConfigDict, TypeAdapter

from midnight.errors import LakeError
from midnight.lake.paths import LakePaths
from midnight.names import folder_name

# Columns of the Delta table at LakePaths.gold_builds, with their Spark types; ``models`` is JSON.
BUILDS_TABLE_COLUMNS = {
    "build_id": "string",
    "batch_id": "string",
    "run_id": "string",
    "completed_at": "timestamp",
    "models": "string",
}


class BuildModel(BaseModel):
    """Ignores unknown fields: a build recorded by a newer version stays readable after a rollback."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class BuiltColumn(BuildModel):
    """A column as it was written: its name and Spark SQL type."""

    name: str
    type: str
    max_length: int | None = None
    description: str = ""


class CheckResult(BaseModel):
    """The result of a check.

    Args:
        name: the check's label; ``key`` and ``max_length`` are checks of the job itself.
        rule: for example ``foreign_key``.
        on_failure: the consequence of a failure.
        failed_rows: rows that fail the check; 0 if it passed.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    name: str
    rule: str
    on_failure: Literal["warn", "fail"]
    failed_rows: int

    @property
    def passed(self) -> bool:
        return self.failed_rows == 0


class BuiltModel(BuildModel):
    """One model of a build.

    Args:
        path: folder of the Delta table, relative to the root of gold (the lake may be moved).
        rows: of the table.
        built_in: id of the build that wrote it; an older one if its definition and inputs have not changed.
        definition: hash of the query and the contract.
        inputs: reference (``silver.flights``, ``gold.dim_airport``) -> identifier of its content.
        description: of the contract, like ``key`` and ``columns``.
        checks: results, in the contract's order.
        seconds: duration of the query, the write and the checks.
        built: ``whole``, ``by key`` (only rows of affected keys were replaced), or ``same rows`` (its inputs changed,
            but its rows did not: the folder of the earlier build stays).
        why: why it was built so, for people.
        released: for people: what failed in spite of which a person released the model, who, when and why.
    """

    path: str
    rows: int
    built_in: str
    definition: str
    inputs: dict[str, str]
    description: str = ""
    key: tuple[str, ...] = ()
    columns: tuple[BuiltColumn, ...]
    checks: tuple[CheckResult, ...] = ()
    seconds: float = 0
    built: Literal["whole", "by key", "same rows"] = "whole"
    why: str = ""
    released: str = ""


_MODELS = TypeAdapter(dict[str, BuiltModel])


class GoldBuild(BuildModel):
    """A complete build: every model passed its checks.

    Args:
        build_id: unique per attempt.
        batch_id: the run's batch; ``run_id`` Airflow's run id.
        completed_at: when it was recorded.
        models: name -> its table.
    """

    build_id: str
    batch_id: str
    run_id: str
    completed_at: datetime
    models: dict[str, BuiltModel]

    def model_path(self, paths: LakePaths, name: str) -> str:
        """Full path of a model's Delta table."""
        return paths.gold_folder(self.models[name].path)

    def models_json(self) -> str:
        """The value of the column ``models``."""
        return _MODELS.dump_json(self.models).decode()

    @classmethod
    def from_row(cls, row: Mapping[str, object]) -> GoldBuild:
        """A build from a row of the builds table."""
        values = dict(row)
        values["models"] = _MODELS.validate_json(str(values["models"]))
        completed_at = values["completed_at"]
        if isinstance(completed_at, datetime) and completed_at.tzinfo is None:
            values["completed_at"] = completed_at.replace(tzinfo=UTC)
        return cls.model_validate(values)


def make_build_id(batch_id: str, attempt_at: datetime) -> str:
    """Id of one attempt to build gold: sorts by batch, then by time, which is the part after the last ``-``.

    Args:
        batch_id: of the run.
        attempt_at: start of this attempt, in any time zone.
    """
    return f"{batch_id}-{attempt_at.astimezone(UTC):%Y%m%dT%H%M%S%f}Z"


def read_builds(
    path: str, storage_options: Mapping[str, str] | None = None, build_ids: Collection[str] | None = None
) -> list[GoldBuild]:
    """All recorded builds, oldest first; empty before the first build.

    Args:
        path: ``LakePaths.gold_builds``.
        storage_options: of delta-rs (``LakeFiles.storage_options``).
        build_ids: only these; None means all.

    Raises:
        LakeError: the table exists but cannot be read.
    """
    from deltalake import DeltaTable
    from deltalake.exceptions import DeltaError, TableNotFoundError

    filters = None if build_ids is None else [("build_id", "in", sorted(build_ids))]
    try:
        table = DeltaTable(path, storage_options=dict(storage_options or {}))
        rows = table.to_pyarrow_table(columns=list(BUILDS_TABLE_COLUMNS), filters=filters).to_pylist()
    except TableNotFoundError:
        return []
    except (DeltaError, OSError) as error:
        raise LakeError(f"{path} cannot be read: {error}; hint: check the permission on the lake") from error
    return sorted((GoldBuild.from_row(row) for row in rows), key=lambda build: (build.completed_at, build.build_id))


def newest_build(path: str) -> GoldBuild | None:
    """The newest recorded build of a table in a folder; None before the first. Reads the models of this build alone.

    Args:
        path: ``LakePaths.gold_builds``.

    Raises:
        LakeError: the table exists but cannot be read.
    """
    from deltalake import DeltaTable
    from deltalake.exceptions import DeltaError, TableNotFoundError

    try:
        table = DeltaTable(path)
        names = table.to_pyarrow_table(columns=["build_id", "completed_at"]).to_pylist()
        if not names:
            return None
        newest = max(names, key=lambda row: (row["completed_at"], row["build_id"]))
        columns, filters = list(BUILDS_TABLE_COLUMNS), [("build_id", "=", newest["build_id"])]
        return GoldBuild.from_row(table.to_pyarrow_table(columns=columns, filters=filters).to_pylist()[0])
    except TableNotFoundError:
        return None
    except (DeltaError, OSError) as error:
        raise LakeError(f"{path} cannot be read: {error}; hint: check the permission on the lake") from error


def expired_builds(
    builds: Sequence[GoldBuild],
    folders: Iterable[str],
    keep: int,
    now: datetime,
    *,
    grace: timedelta = timedelta(days=1),
    also: Iterable[GoldBuild] = (),
) -> tuple[str, ...]:
    """Folders of gold that no reader needs any more: none of the newest builds references them.

    Folders of attempts that were never recorded (a crash, a failed check) expire, too. An attempt that started less
    than ``grace`` ago is kept: it may still be running or being read.

    Args:
        builds: all recorded builds.
        folders: existing folders relative to the root of gold, ``<model>/<build_id>``; others are ignored.
        keep: number of the newest builds that stay readable, at least 1.
        now: the current time.
        grace: minimum age of an attempt whose folder may expire.
        also: other builds that stay readable.

    Returns:
        The folders to delete, sorted.
    """
    if keep < 1:
        raise ValueError(f"keep={keep!r} would delete the build that readers use; hint: keep at least 1")
    newest = sorted(builds, key=lambda build: (build.completed_at, build.build_id))[-keep:]
    needed = {model.path for build in (*newest, *also) for model in build.models.values()}
    expired = set()
    for folder in folders:
        model, _, build_id = folder.partition("/")
        started = _attempt_time(build_id)
        if folder in needed or started is None or model != folder_name(model) or now - started < grace:
            continue
        expired.add(folder)
    return tuple(sorted(expired))


def _attempt_time(build_id: str) -> datetime | None:
    try:
        return datetime.strptime(build_id.rpartition("-")[2], "%Y%m%dT%H%M%S%fZ").replace(tzinfo=UTC)
    except ValueError:
        return None
