"""One sequence of runs: after each, silver and gold must equal a whole build into an empty lake."""

from __future__ import annotations

import contextlib
import io
import shutil
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from midnight.bronze_to_silver.batch_chain import batch_chain
from midnight.errors import QualityGateError
from midnight.lake.paths import LakePaths
from midnight.reconciliation.digest_states import read_states, write_states_locally
from midnight.run.document import RunDocument
from midnight.silver_to_gold.builds import GoldBuild, read_builds
from spark_jobs.gold.run import build_gold
from spark_jobs.silver.run import build_silver
from tests.support.run_sequences.comparison import (
    NotEqualError,
    assert_same,
    check_ledger,
    compare_gold,
    compare_quarantine,
    compare_silver,
    contents,
)
from tests.support.run_sequences.kills import KilledError, observed_writes
from tests.support.run_sequences.limits import as_for_large_tables
from tests.support.run_sequences.world import make_world

# What happens to a run, with its share.
KINDS = {
    "complete": 42,
    "ingest only": 12,
    "silver only": 13,
    "silver is killed": 11,
    "gold is killed": 11,
    "a check fails": 11,
}
_FIRST_ROWS = 8
_KEPT_BUILDS = 3
# So many of the sequences run as if their tables were large.
_LARGE_SHARE = 0.85


class Sequence:
    """A sequence, which its seed determines.

    Args:
        session: of the engine.
        root: an empty folder.
        seed: of everything that is random.
        runs: how many.
        engine: of the session.

    Attributes:
        history: what happened, a line per run and event.
        built: number of models by how they were built.
    """

    def __init__(self, session: Any, root: Path, seed: int, *, runs: int = 4, engine: str = "sail") -> None:
        self._session, self._root, self._runs = session, root, runs
        self._rng = Random(seed)  # noqa: S311 - repeatable, not secret
        self._world = make_world(root, self._rng, engine)
        self._documents: list[RunDocument] = []
        self._shown: dict[str, Any] = {}
        self._writes = {"silver": 30, "gold": 20}  # of the last complete job; a guess before the first
        self._missed = False  # silver has not applied every batch, by the same rules
        self._large = self._rng.random() < _LARGE_SHARE
        self.history: list[str] = []
        self.built: Counter[str] = Counter()

    def run(self) -> None:
        """Run all.

        Raises:
            NotEqualError: something differs from a whole build, or a job failed that must not.
        """
        output = io.StringIO()
        try:
            with contextlib.redirect_stdout(output), as_for_large_tables() if self._large else contextlib.nullcontext():
                for number in range(1, self._runs + 1):
                    self._run(number)
                self._compare_rebuild(self._runs + 1)
        except Exception as error:
            reason = str(error) if isinstance(error, NotEqualError) else traceback.format_exc()
            tables = ", ".join(f"{t.source.name} ({t.source.configuration['mode']})" for t in self._world.tables)
            last = output.getvalue().splitlines()[-30:]
            raise NotEqualError("\n".join([reason, f"tables: {tables}", *self.history, "output:", *last])) from error

    def _run(self, number: int) -> None:
        rng = self._rng
        kind = "complete" if number in (1, self._runs) else rng.choices([*KINDS], [*KINDS.values()])[0]
        done = [f"run {number}: {kind}"]
        self._change_source(number, kind, done)
        full_reload = rng.random() < 0.12
        done += ["full_reload"] if full_reload else []
        self.history.append(", ".join(done))
        if self._documents and rng.random() < 0.08:
            self._repeat_old_document()
        self._world.seal(number, rng, full_reload=full_reload)
        document = self._world.plan(number)
        self._documents.append(document)
        if kind == "ingest only" or not self._silver(document, kill=kind == "silver is killed"):
            self._missed = True
            self._check_shown()
            return
        fresh = self._whole_silver(document, number)
        if kind != "silver only":
            self._gold(document, fresh, kill=kind == "gold is killed")
        self._check_shown()
        shutil.rmtree(self._root / f"whole-{number}")

    def _change_source(self, number: int, kind: str, done: list[str]) -> None:
        """The changes before a run. A table with a flaw gets nothing but its correction, which is therefore read."""
        rng = self._rng
        for table in self._world.tables:
            if any(row.get("flaw") for row in table.rows.values()):
                table.set_flaws(rng, 0)
                continue
            if number == 1:
                for _ in range(_FIRST_ROWS):
                    table.insert(rng)
            for _ in range(rng.choice([0, 0, 1, 1, 2, 5])):
                table.change(rng)
        if number > 1 and rng.random() < 0.12:
            done.append(f"rule {self._world.change_rules(rng)}")
            self._missed = True
        with_flaw = [t for t in self._world.tables if any("flaw" in row for row in t.rows.values())]
        if kind == "a check fails" and with_flaw:
            rng.choice(with_flaw).set_flaws(rng, 1)

    def _repeat_old_document(self) -> None:
        """Somebody clears an old task: silver must not go back."""
        document = self._rng.choice(self._documents)
        self.history.append(f"  repeated {document.batch_id}")
        with contextlib.suppress(QualityGateError):
            build_silver(self._session, document)

    def _silver(self, document: RunDocument, *, kill: bool) -> bool:
        """Whether silver is complete."""
        try:
            return self._attempt("silver", lambda: build_silver(self._session, document), kill=kill) is not None
        except QualityGateError as error:
            self.history.append(f"  silver failed: {str(error)[:100]}")
            if not any(row.get("flaw") for table in self._world.tables for row in table.rows.values()):
                raise
            check_ledger(document.paths)
            return False

    def _gold(self, document: RunDocument, fresh: RunDocument, *, kill: bool) -> None:
        """Build gold; a check that stops it must also stop a whole build."""
        try:
            recorded = self._attempt("gold", lambda: build_gold(self._session, document), kill=kill) is not None
        except QualityGateError as error:
            self.history.append(f"  gold failed: {str(error)[:100]}")
            with contextlib.suppress(QualityGateError):
                build_gold(self._session, fresh)
                raise NotEqualError(f"a whole build passes the checks that stop this one: {error}") from error
            return
        if recorded:
            self._compare_gold(document, fresh)

    def _attempt(self, job: str, work: Callable[[], Any], *, kill: bool) -> Any:
        """The result of a job; None if it was killed and not started again."""
        last = self._rng.randint(1, self._writes[job]) if kill else 0
        try:
            with observed_writes(last, after=self._rng.random() < 0.5) as writes:
                result = work()
            self._writes[job] = max(1, writes.count)
            return result
        except KilledError:
            again = self._rng.random() < 0.5
            self.history.append(f"  {job} was killed at write {last}{', then repeated' if again else ''}")
            return work() if again else None

    def _whole_silver(self, document: RunDocument, number: int) -> RunDocument:
        """Build silver in an empty lake from the same batches, and compare; returns the document of that lake."""
        root = self._root / f"whole-{number}"
        paths = LakePaths(document.paths.bronze, f"{root}/silver", f"{root}/gold")
        fresh = document.model_copy(update={"lake": paths.as_dict()})
        build_silver(self._session, fresh)
        compare_silver(document.paths, paths, [work.table for work in document.tables])
        for work in document.tables:
            by_id = {manifest.batch_id: manifest for manifest in work.batches}
            chain = [manifest.batch_id for manifest in batch_chain(work.batches[-1], by_id.get)]
            compare_quarantine(document.paths, paths, work.table, chain)
        check_ledger(document.paths)
        for table in [work.table for work in document.tables if work.table.deletes == "soft"]:
            shutil.rmtree(paths.silver_table(table.silver))  # gold must see the same deleted rows
            shutil.copytree(document.paths.silver_table(table.silver), paths.silver_table(table.silver))
            expected = read_states(paths.silver_digests)
            if expected.pop(table.silver, None) is not None:
                write_states_locally(paths.silver_digests, expected)
        return fresh

    def _compare_gold(self, document: RunDocument, fresh: RunDocument) -> None:
        whole = build_gold(self._session, fresh)
        build = read_builds(document.paths.gold_builds)[-1]
        compare_gold(document.paths, build, fresh.paths, whole)
        self._shown |= {build.build_id: self._contents_of(build)}
        for model in build.models.values():
            now = model.built_in == build.build_id
            self.built[str(getattr(model, "built", "whole")) if now else "unchanged"] += 1

    def _contents_of(self, build: GoldBuild) -> dict[str, tuple[list[str], Counter[str]]]:
        paths = self._world.paths
        return {name: contents(build.model_path(paths, name)) for name in build.models}

    def _check_shown(self) -> None:
        """The builds that readers may use are as they were when they were recorded."""
        for build in read_builds(self._world.paths.gold_builds)[-_KEPT_BUILDS:]:
            for name, expected in self._shown.get(build.build_id, {}).items():
                now = contents(build.model_path(self._world.paths, name))
                assert_same(f"gold.{name} of the earlier build {build.build_id}", now, expected)

    def _compare_rebuild(self, number: int) -> None:
        """A rebuild, run by run from all batches, has the same silver as the last run; in a third of the sequences."""
        if self._rng.random() < 0.67:
            return
        self.history.append("rebuild")
        document = self._world.plan(number, rebuild=True)
        paths = LakePaths(document.paths.bronze, f"{self._root}/rebuilt/silver", f"{self._root}/rebuilt/gold")
        with contextlib.suppress(QualityGateError):  # of a batch in the middle, which a later one corrects
            build_silver(self._session, document.model_copy(update={"lake": paths.as_dict()}))
        tables = [work.table for work in document.tables]
        compare_silver(self._world.paths, paths, tables, deleted=not self._missed)
