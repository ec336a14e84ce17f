"""The paths of all files and tables in the lake; no other module composes them.

```
<bronze>/<source>/<schema>.<table>/<batch_id>/part-00000.parquet …, _manifest.json (written last: seals the batch)
<bronze>/_runs/<batch_id>.json                                  the run document: input of the Spark jobs of one run
<bronze>/_runs/<batch_id>.<source>.<group>.sealing              the manifests of a load group while it is being sealed
<bronze>/_runs/<batch_id>.<source>.<group>.unfinished/          what tries have read of the group's large tables
<bronze>/_runs/<batch_id>.<source>.<group>.stopped              the tables of a load group that the run does not load
<bronze>/_runs/<batch_id>.<source>.<group>.figures              what rules of gold compare, computed in the snapshot
<bronze>/_runs/<source>.<group>.unchanged                       tables that got no new batch, since they had not changed
<silver>/<table>/                                               Delta, one clean row per key
<silver>/_midnight/quarantine/  <silver>/_midnight/ledger/      Delta
<silver>/_midnight/changes/<table>/<batch_id>/                  Parquet, the rows of silver that a batch changed
<silver>/_midnight/staging/<table>/<part>/                      Delta, disposable after the job
<silver>/_midnight/rebuild/<batch_id>-<random>/                 silver of an unfinished rebuild
<silver>/_midnight/digests/  <gold>/_midnight/digests/          Delta, what each table should contain
<silver>/_midnight/reconciliation/                              Delta, what each run has compared, and the outcome
<gold>/<model>/<build_id>/                                      Delta, immutable after its build is recorded
<gold>/_midnight/builds/                                        Delta: one row per complete build of a run
<gold>/_midnight/development_builds/                            Delta: the same for `make build`
<gold>/_midnight/staging/<model>/<part>/                        Parquet, disposable after the job
<gold>/_midnight/published.json                                 the build that the views show
<gold>/_midnight/summaries/<batch_id>.json                      what people look at the next morning, one per run
<gold>/_midnight/runs/<view>/<batch_id>.parquet                 the rows of a run in the views of the schema midnight
<gold>/_midnight/costs/<batch_id>/<task>.<id>.json              what a run has used in a service, counted
<gold>/_midnight/alerts/<hash of the incident>.json             the alerts of incidents that are not resolved yet
<root>/.lock                                                    local profile only: one writer at a time
```
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import ClassVar

from midnight.errors import LakePathError
from midnight.names import folder_name

MANIFEST_NAME = "_manifest.json"
_RUN_DOCUMENT = ".json"

# Sail 0.7.2 writes a Delta table whose path contains a character that URLs escape to a folder with the escaped name,
# and then does not find it when it merges. Apache Spark interprets some characters as patterns. delta-rs, which also
# reads the tables, unescapes "%" and rejects "[", "^" and "|".
_REFUSED = {"sail": re.compile(r"[^A-Za-z0-9/:@._=+,~-]"), "spark": re.compile(r"[^\w /@._=+,~&();!-]")}
_ALLOWED = {
    "sail": "ASCII letters, digits and / . _ - , or use MIDNIGHT_ENGINE=spark",
    "spark": "letters, digits, spaces and / . _ -",
}


def check_lake_path(engine: str, path: str) -> None:
    """Check that an engine supports all characters of a path.

    Args:
        engine: ``sail``, ``spark``, ``databricks`` or ``serverless``; the last two support every path in Azure.
        path: a folder or file of the lake.

    Raises:
        LakePathError: the path contains an unsupported character.
    """
    wrong = "".join(sorted(set(_REFUSED[engine].findall(path)))) if engine in _REFUSED and is_local(path) else ""
    if wrong:
        raise LakePathError(
            f"the engine {engine} does not support the characters {wrong!r} in the path {path!r}",
            f"set MIDNIGHT_LAKE to a folder whose path has only {_ALLOWED[engine]}",
        )


def is_local(path: str) -> bool:
    """Whether a path of the lake is a folder or file of this machine, not one in Azure."""
    return "://" not in path


def relative_gold_model(model: str, build_id: str) -> str:
    """Folder of a gold model's table, relative to the root of gold."""
    return f"{folder_name(model)}/{build_id}"


def planned_batches(names: Iterable[str]) -> list[str]:
    """Ids of the batches that have a run document.

    Args:
        names: of the files in ``LakePaths.run_documents``.
    """
    return [name.removesuffix(_RUN_DOCUMENT) for name in names if name.endswith(_RUN_DOCUMENT)]


def relative_path(root: str, path: str) -> str:
    """A path below the root of a layer, as services name it that are given the root separately.

    Raises:
        ValueError: the path is not below the root.
    """
    if not path.startswith(f"{root}/"):
        raise ValueError(f"{path!r} is not below {root!r}")
    return path.removeprefix(f"{root}/")


@dataclass(frozen=True)
class LakePaths:
    """The roots of the three layers, and all paths below them.

    Args:
        bronze: root folder or URL of bronze, without a trailing slash; the same for silver and gold.
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

    @property
    def root(self) -> str:
        """The folder with the three layers (the local profile)."""
        return self.bronze.removesuffix("/bronze")

    @property
    def lock_file(self) -> str:
        """Locked by the one process that writes to the lake (the local profile)."""
        return f"{self.root}/.lock"

    def as_dict(self) -> dict[str, str]:
        return asdict(self)

    def table_batches(self, source: str, schema: str, table: str) -> str:
        """Folder with one folder per batch of a source table."""
        return f"{self.bronze}/{folder_name(source)}/{folder_name(schema)}.{folder_name(table)}"

    def batch(self, source: str, schema: str, table: str, batch_id: str) -> str:
        return f"{self.table_batches(source, schema, table)}/{batch_id}"

    def manifest(self, source: str, schema: str, table: str, batch_id: str) -> str:
        return f"{self.batch(source, schema, table, batch_id)}/{MANIFEST_NAME}"

    def sealing_document(self, source: str, group: str, batch_id: str) -> str:
        """The manifests of a load group while it is being sealed (``BronzeStore.seal_group``)."""
        return f"{self.run_documents}/{batch_id}.{folder_name(source)}.{group}.sealing"

    UNFINISHED: ClassVar[str] = ".unfinished"

    def unfinished_reads(self, source: str, group: str, batch_id: str) -> str:
        """Folder with a record per large table that tries of a run have read in part (``bronze.unfinished``)."""
        return f"{self.run_documents}/{batch_id}.{folder_name(source)}.{group}{self.UNFINISHED}"

    def unfinished_read(self, source: str, group: str, batch_id: str, schema: str, table: str) -> str:
        """The record of one table."""
        return f"{self.unfinished_reads(source, group, batch_id)}/{folder_name(schema)}.{folder_name(table)}.json"

    def stopped_tables(self, source: str, group: str, batch_id: str) -> str:
        """The tables of a load group that a run does not load (``midnight.bronze.stopped_tables``)."""
        return f"{self.run_documents}/{batch_id}.{folder_name(source)}.{group}.stopped"

    def source_figures(self, source: str, group: str, batch_id: str) -> str:
        """What the source computed in the snapshot of a load group (``midnight.reconciliation.source_figures``)."""
        return f"{self.run_documents}/{batch_id}.{folder_name(source)}.{group}.figures"

    def unchanged_tables(self, source: str, group: str) -> str:
        """Which tables of a load group got no new batch, since they had not changed (``bronze.unchanged``)."""
        return f"{self.run_documents}/{folder_name(source)}.{group}.unchanged"

    @property
    def run_documents(self) -> str:
        """Folder of the run documents."""
        return f"{self.bronze}/_runs"

    def run_document(self, batch_id: str) -> str:
        return f"{self.run_documents}/{batch_id}{_RUN_DOCUMENT}"

    def silver_table(self, silver_name: str) -> str:
        return f"{self.silver}/{folder_name(silver_name)}"

    @property
    def changes(self) -> str:
        """Folder with one folder per silver table that has change sets."""
        return f"{self.silver}/_midnight/changes"

    def table_changes(self, silver_name: str) -> str:
        """Folder with one folder per batch that changed rows of a silver table."""
        return f"{self.changes}/{folder_name(silver_name)}"

    def silver_changes(self, silver_name: str, batch_id: str) -> str:
        """The change set of a batch: Parquet files with the rows of silver before and after it."""
        return f"{self.table_changes(silver_name)}/{batch_id}"

    @property
    def ledger(self) -> str:
        return f"{self.silver}/_midnight/ledger"

    @property
    def staging(self) -> str:
        """Intermediate tables of a job; disposable after it."""
        return f"{self.silver}/_midnight/staging"

    def silver_staging(self, silver_name: str, part: str = "rows") -> str:
        """Rows that the job is going to write to a silver table."""
        return f"{self.staging}/{folder_name(silver_name)}/{part}"

    @property
    def quarantine(self) -> str:
        return f"{self.silver}/_midnight/quarantine"

    @property
    def silver_digests(self) -> str:
        """The digests of silver's tables, as they should be."""
        return f"{self.silver}/_midnight/digests"

    @property
    def gold_digests(self) -> str:
        """The digests of the tables of the newest build."""
        return f"{self.gold}/_midnight/digests"

    @property
    def reconciliation(self) -> str:
        """What the jobs and the publication of each run have compared (``midnight.reconciliation.record``)."""
        return f"{self.silver}/_midnight/reconciliation"

    @property
    def rebuilds(self) -> str:
        """Folder with one folder per unfinished rebuild."""
        return f"{self.silver}/_midnight/rebuild"

    def of_rebuild(self, name: str) -> LakePaths:
        """The same lake with the silver of a rebuild, in a folder of its own.

        Args:
            name: of the folder; begins with the id of the batch, by whose age it is deleted.
        """
        return replace(self, silver=f"{self.rebuilds}/{name}")

    def gold_model(self, model: str, build_id: str) -> str:
        return self.gold_folder(relative_gold_model(model, build_id))

    def gold_folder(self, relative: str) -> str:
        """Full path of a folder that is named relative to the root of gold (``relative_gold_model``)."""
        return f"{self.gold}/{relative}"

    @property
    def gold_builds(self) -> str:
        return f"{self.gold}/_midnight/builds"

    @property
    def development_builds(self) -> str:
        return f"{self.gold}/_midnight/development_builds"

    @property
    def gold_staging(self) -> str:
        """Rows and keys that a refresh of a model needs; disposable after the job."""
        return f"{self.gold}/_midnight/staging"

    @property
    def published(self) -> str:
        return f"{self.gold}/_midnight/published.json"

    @property
    def summaries(self) -> str:
        """Folder with one document per run (``midnight.summary.document``)."""
        return f"{self.gold}/_midnight/summaries"

    def summary(self, batch_id: str) -> str:
        return f"{self.summaries}/{batch_id}.json"

    RUN_ROWS: ClassVar[str] = "_midnight/runs"

    def run_rows_folder(self, view: str) -> str:
        """Folder with the rows that runs have added to a view of the schema ``midnight``, a file per run."""
        return f"{self.gold}/{self.RUN_ROWS}/{view}"

    def run_rows(self, view: str, batch_id: str) -> str:
        return f"{self.run_rows_folder(view)}/{batch_id}.parquet"

    @property
    def costs(self) -> str:
        """Folder with one folder per run: what it has used (``midnight.cost.storage``)."""
        return f"{self.gold}/_midnight/costs"

    def run_costs(self, batch_id: str) -> str:
        return f"{self.costs}/{batch_id}"

    @property
    def open_alerts(self) -> str:
        """Folder with one document per incident that people were alerted to and that is not resolved yet."""
        return f"{self.gold}/_midnight/alerts"

    def open_alert(self, digest: str) -> str:
        """The document of an incident, by the digest of its name."""
        return f"{self.open_alerts}/{digest}.json"
