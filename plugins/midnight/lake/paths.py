"""The only place that makes paths in the lake.

```
<bronze>/<source>/<schema>.<table>/<batch_id>/part-00000.parquet …, _manifest.json (written last: the seal)
<bronze>/_runs/<batch_id>.json                                  the run document: what the jobs of one run shall do
<silver>/<table>/                                               Delta, one clean row per key
<silver>/_midnight/quarantine/  <silver>/_midnight/ledger/      Delta
<silver>/_midnight/staging/<table>/<part>/                      Delta, of no value after the job
<gold>/<model>/<build_id>/                                      Delta, immutable once its build is recorded
<gold>/_midnight/builds/                                        Delta: one row per complete build of a run
<gold>/_midnight/development_builds/                            Delta: likewise of `make build`
<gold>/_midnight/published.json                                 which build the views show
```
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from midnight.errors import LakePathError
from midnight.names import folder_name

MANIFEST_NAME = "_manifest.json"


# Sail 0.7.2 writes a Delta table whose path has a character that URLs escape into a folder with the escaped name, and
# then does not find it when it merges. Beside Apache Spark, which takes some characters for patterns, the delta-rs
# library reads the tables: it unescapes "%" and takes no "[", "^" or "|".
_REFUSED = {"sail": re.compile(r"[^A-Za-z0-9/:@._=+,~-]"), "spark": re.compile(r"[^\w /@._=+,~&();!-]")}
_ALLOWED = {
    "sail": "ASCII letters, digits and / . _ - , or use MIDNIGHT_ENGINE=spark",
    "spark": "letters, digits, spaces and / . _ -",
}


def check_lake_path(engine: str, path: str) -> None:
    """Refuse a path that an engine mistreats.

    Args:
        engine: ``sail``, ``spark`` or ``databricks`` or ``serverless`` (which take what Azure takes).
        path: a folder or file of the lake.

    Raises:
        LakePathError: it has such a character.
    """
    wrong = "".join(sorted(set(_REFUSED[engine].findall(path)))) if engine in _REFUSED and "://" not in path else ""
    if wrong:
        raise LakePathError(
            f"the engine {engine} cannot keep tables in {path!r} because of {wrong!r}",
            f"set MIDNIGHT_LAKE to a folder whose path has only {_ALLOWED[engine]}",
        )


def make_batch_id(run_time: datetime, run_id: str) -> str:
    """The batch of a DAG run: sorts in time order, is the same on every try, differs for two runs of one second.

    Args:
        run_time: logical date of the run, or the time it was asked for when it has none; any time zone.
        run_id: Airflow's id of the run.
    """
    if run_time.tzinfo is None:
        raise ValueError(f"run_time {run_time!r} has no time zone")
    digest = hashlib.sha256(run_id.encode()).hexdigest()[:8]
    return f"{run_time.astimezone(UTC):%Y%m%dT%H%M%S}{run_time.microsecond // 1000:03d}Z-{digest}"


def batch_time(batch_id: str) -> datetime:
    """When the run of a batch was for, in UTC.

    Raises:
        ValueError: not made by ``make_batch_id``.
    """
    return datetime.strptime(batch_id.partition("-")[0], "%Y%m%dT%H%M%S%fZ").replace(tzinfo=UTC)


@dataclass(frozen=True)
class LakePaths:
    """Paths below the roots of the three layers.

    Args:
        bronze: root folder or URL of bronze, without a slash at the end; likewise silver and gold.
    """

    bronze: str
    silver: str
    gold: str

    @classmethod
    def below(cls, root: str) -> LakePaths:
        """The layers as three folders of one root (the local profile)."""
        root = root.rstrip("/")
        return cls(bronze=f"{root}/bronze", silver=f"{root}/silver", gold=f"{root}/gold")

    @classmethod
    def in_account(cls, account: str) -> LakePaths:
        """The layers as the containers bronze, silver and gold of an ADLS Gen2 account."""
        return cls(*(f"abfss://{layer}@{account}.dfs.core.windows.net" for layer in ("bronze", "silver", "gold")))

    def as_dict(self) -> dict[str, str]:
        return asdict(self)

    def table_batches(self, source: str, schema: str, table: str) -> str:
        """Folder that holds one folder per batch of a source table."""
        return f"{self.bronze}/{folder_name(source)}/{folder_name(schema)}.{folder_name(table)}"

    def batch(self, source: str, schema: str, table: str, batch_id: str) -> str:
        return f"{self.table_batches(source, schema, table)}/{batch_id}"

    def manifest(self, source: str, schema: str, table: str, batch_id: str) -> str:
        return f"{self.batch(source, schema, table, batch_id)}/{MANIFEST_NAME}"

    def run_document(self, batch_id: str) -> str:
        return f"{self.bronze}/_runs/{batch_id}.json"

    def silver_table(self, silver_name: str) -> str:
        return f"{self.silver}/{folder_name(silver_name)}"

    @property
    def ledger(self) -> str:
        return f"{self.silver}/_midnight/ledger"

    @property
    def staging(self) -> str:
        """What a job keeps while it works; of no value after it."""
        return f"{self.silver}/_midnight/staging"

    def silver_staging(self, silver_name: str, part: str = "rows") -> str:
        """What the job is about to write to a silver table."""
        return f"{self.staging}/{folder_name(silver_name)}/{part}"

    @property
    def quarantine(self) -> str:
        return f"{self.silver}/_midnight/quarantine"

    def gold_model(self, model: str, build_id: str) -> str:
        return f"{self.gold}/{folder_name(model)}/{build_id}"

    @property
    def gold_builds(self) -> str:
        return f"{self.gold}/_midnight/builds"

    @property
    def development_builds(self) -> str:
        return f"{self.gold}/_midnight/development_builds"

    @property
    def published(self) -> str:
        return f"{self.gold}/_midnight/published.json"
