"""What the published views should show: the figures and digests that the job of gold has recorded for a build."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from midnight.gold_to_serving.base_views import BASE_SCHEMA, BaseView
from midnight.gold_to_serving.publication import read_publication
from midnight.lake.files import LakeFiles
from midnight.lake.paths import LakePaths
from midnight.reconciliation.digest_states import TableDigest, read_states
from midnight.reconciliation.record import LinkRecord, Method
from midnight.reconciliation.run_records import read_step_records
from midnight.reconciliation.turns import is_in_turn
from midnight.silver_to_gold.builds import BuiltModel, GoldBuild
from midnight.sql_text import quote_relation

_STRICTNESS: tuple[Method, ...] = ("off", "counts", "digests")


@dataclass(frozen=True)
class RecordedGold:
    """A build and how its views are compared.

    Args:
        build: that the views show.
        paths: of the lake.
        files: of the lake.
        method: the strictest ``reconcile`` of a table of the run.
        in_turn: names of the views that are read although they did not change.
        states: digests by model.
        proven: what the last publication has found equal: view (``view_name``) -> method.
        planned: whether the run document of the build's batch exists; without it the run cannot tell which tables have
            ``reconcile: digests``.
    """

    build: GoldBuild
    paths: LakePaths
    files: LakeFiles
    method: Method
    in_turn: frozenset[str]
    states: Mapping[str, TableDigest]
    proven: Mapping[str, Method]
    planned: bool = True

    def model(self, view: BaseView) -> BuiltModel:
        """The model behind a base view."""
        return self.build.models[view.name]

    def folder(self, view: BaseView) -> str:
        """Folder or URL of the model's table."""
        return self.build.model_path(self.paths, view.name)

    def state(self, view: BaseView) -> TableDigest | None:
        """The digest of the model's table; None if the job has recorded none for this table."""
        state = self.states.get(view.name)
        return state if state is not None and state.content == self.model(view).built_in else None

    def method_of(self, view: BaseView) -> Method:
        """How a view can be compared."""
        return "counts" if self.method == "digests" and self.state(view) is None else self.method

    def only_counted(self, view: BaseView) -> str:
        """Why the rows of a view are only counted, for people; empty if that is what the configuration says."""
        if not self.planned:
            return f"values were not compared: batch {self.build.batch_id!r} has no run document"
        if self.method == "digests" and self.state(view) is None:
            return "values were not compared: the job of gold has recorded no digest of this table"
        return ""

    def is_proven(self, view: BaseView) -> bool:
        """Whether the last publication has compared the view in this way, and it is not its turn again."""
        before = self.proven.get(view_name(view))
        if before is None or view.name in self.in_turn:
            return False
        return _STRICTNESS.index(before) >= _STRICTNESS.index(self.method_of(view))


def view_name(view: BaseView) -> str:
    """The view for people and in records."""
    return f"view {BASE_SCHEMA}.{view.name}"


def quoted_view(view: BaseView) -> str:
    """The view in SQL of DuckDB."""
    return quote_relation(BASE_SCHEMA, view.name)


def read_recorded_gold(build: GoldBuild, paths: LakePaths, files: LakeFiles) -> RecordedGold:
    """Read what is known about a build, and about the views of the last publication.

    Raises:
        ReconciliationError: the digests or the records cannot be read.
        ServingError: the record of the last publication is not valid.
    """
    text = files.read_text(paths.run_document(build.batch_id))
    document = json.loads(text or "{}")
    used = {work["table"].get("reconcile", "counts") for work in document.get("tables", ())} or {"counts"}
    method = max(used, key=_STRICTNESS.index)
    states = read_states(paths.gold_digests, files.storage_options) if method == "digests" else {}
    number, every = int(document.get("run_number", 0)), int(document.get("reconcile_every", 1))
    in_turn = frozenset(name for name in build.models if is_in_turn(name, number, every))
    return RecordedGold(build, paths, files, method, in_turn, states, _proven(paths, files), text is not None)


def counted(view: BaseView, recorded: RecordedGold) -> LinkRecord:
    """The record of a view whose rows were counted, and are those of its build."""
    return LinkRecord(
        link="written = read back",
        table=view_name(view),
        status="equal",
        method="counts",
        rows=recorded.model(view).rows,
        compared="rows counted",
        reason=recorded.only_counted(view),
    )


def unread(view: BaseView, recorded: RecordedGold) -> LinkRecord:
    """The record of a view that the last publication has compared, and that has not changed since."""
    return LinkRecord(
        link="written = read back",
        table=view_name(view),
        status="equal",
        method=recorded.proven[view_name(view)],
        rows=recorded.model(view).rows,
        columns=len(view.columns),
        compared="not read: it was compared when it was published",
    )


def _proven(paths: LakePaths, files: LakeFiles) -> dict[str, Method]:
    last = read_publication(paths, files)
    if last is None:
        return {}
    steps = read_step_records(paths.reconciliation, files.storage_options, last.batch_id)
    records = [record for step in steps if step.step == "gold_to_serving" for record in step.records]
    return {record.table: record.method for record in records if record.status == "equal"}
