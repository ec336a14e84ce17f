"""Collects the summary of a run from the lake: ledger, quarantine, run document, builds, proofs; without an engine.

What the run did not reach is taken over from the summary before, so that each summary is complete. The cost does not
grow with the age of the lake but for the ledger, which is read as columns.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from midnight.errors import LakeError, first_line
from midnight.gold_to_serving.publication import Publication, read_publication
from midnight.lake.files import LakeFiles
from midnight.lake.ledger import UNTOUCHED, LedgerEntry, read_ledger_rows
from midnight.lake.paths import LakePaths
from midnight.lake.recent_ledger import entries_of_run
from midnight.reconciliation.record import LinkRecord, summarise
from midnight.reconciliation.run_records import describe_last_run, read_step_records
from midnight.reconciliation.summary import lsn_of
from midnight.run.document import RunDocument, read_run_document
from midnight.run.release import release_messages
from midnight.run.summarise_checks import gold_checks, silver_checks, summarise_models, with_history
from midnight.run.summarise_quarantine import Evaluated, summarise_quarantine
from midnight.run.summarise_tables import table_summary
from midnight.silver_to_gold.builds import GoldBuild
from midnight.silver_to_gold.development_builds import find_builds
from midnight.summary.document import RUNS_KEPT, CheckSummary, QuarantineSummary, RunFigures, RunSummary, TableSummary
from midnight.summary.storage import read_newest_summary, read_summary

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RunFacts:
    """What only the caller knows about a run.

    Args:
        run_id, batch_id: of the run; ``due`` its logical date, for a manual run the time of the trigger.
        pipeline: name of the source; ``timezone`` of the schedule.
        now: the current time.
        outcome: ``failed`` or ``nothing to do``; empty for a run that published, as the record of it says.
        seconds: since the run started; ``stages`` of each stage that has ended.
        tables: qualified names of the configured tables; a table of neither these nor the run is left out. None: all.
    """

    run_id: str
    batch_id: str
    due: datetime
    pipeline: str
    timezone: str
    now: datetime
    outcome: str = ""
    seconds: float = 0
    stages: Mapping[str, float] = field(default_factory=dict)
    tables: Collection[str] | None = None


@dataclass(frozen=True)
class _Found:
    """What was read of the lake: entries of this run and before it by table, and the summary before."""

    facts: RunFacts
    own: Mapping[str, LedgerEntry]
    before: Mapping[str, LedgerEntry]
    document: RunDocument | None
    publication: Publication | None
    previous: RunSummary | None

    @cached_property
    def entries(self) -> dict[str, LedgerEntry]:
        """By table, the entry of this run, otherwise the one before, unless the table is not configured any more."""
        known = self.facts.tables
        entries = sorted({**self.before, **self.own}.items())
        return {n: entry for n, entry in entries if n in self.own or known is None or entry.source_table in known}

    @cached_property
    def evaluated(self) -> list[Evaluated]:
        """The tables whose rules are known, with the entry that says which rows failed them.

        A table that was skipped, stopped or not reached is as the summary before says.
        """
        works = () if self.document is None else self.document.tables
        own = {name: entry for name, entry in self.own.items() if entry.status not in UNTOUCHED}
        return [
            Evaluated(work.table, own[work.table.silver], self.before.get(work.table.silver))
            for work in sorted(works, key=lambda work: work.table.silver)
            if work.table.silver in own
        ]

    @cached_property
    def carried_over(self) -> frozenset[str]:
        """Tables that this run has not evaluated, and that are still configured."""
        return frozenset(self.entries) - {one.table.silver for one in self.evaluated}

    @property
    def published(self) -> bool:
        """Whether this run has published."""
        return self.publication is not None and self.publication.published_by == self.facts.run_id


def summarise_run(lake: LakeFiles, paths: LakePaths, facts: RunFacts) -> RunSummary:
    """The summary of a run, as the lake is now.

    Args:
        lake: reads it.
        paths: of the lake.
        facts: what the lake does not tell.

    Raises:
        LakeError, ServingError, ReconciliationError: a part of the lake cannot be read.
    """
    own, before = entries_of_run(read_ledger_rows(paths.ledger, lake.storage_options), facts.run_id)
    found = _Found(
        facts,
        {entry.table: entry for entry in own},
        before,
        read_run_document(lake, paths, facts.batch_id),
        read_publication(paths, lake),
        _previous(lake, paths, facts.batch_id),
    )
    quarantine = _quarantine(lake, paths, found)
    tables = _tables(found, quarantine)
    build, earlier = _builds(lake, paths, found)
    checks = _checks(found, build)
    published = found.published and found.publication is not None
    current = [table.batch.current_at for table in tables if table.batch is not None]
    previous = found.previous
    return RunSummary(
        figures=_figures(found, tables, read_summary(lake, paths, facts.batch_id)),
        earlier=() if previous is None else (*previous.earlier, previous.figures)[-RUNS_KEPT:],
        written_at=facts.now,
        pipeline=facts.pipeline,
        timezone=facts.timezone,
        build_id="" if found.publication is None else found.publication.build_id,
        data_up_to=min(current, default=None) if published else None if previous is None else previous.data_up_to,
        tables=tuple(tables),
        checks=tuple(checks),
        quarantine=tuple(quarantine),
        models=() if build is None else tuple(summarise_models(build, earlier)),
        proof=tuple(_proof(lake, paths, found)),
        unreadable_views={} if found.publication is None else found.publication.unreadable,
        releases=() if found.document is None else release_messages(found.document),
    )


def _previous(lake: LakeFiles, paths: LakePaths, batch_id: str) -> RunSummary | None:
    try:
        return read_newest_summary(lake, paths, before=batch_id)
    except LakeError as error:  # a damaged document must not prevent the next ones
        log.warning("The summary before cannot be read, so its figures are missing in this one: %s", first_line(error))
        return None


def _quarantine(lake: LakeFiles, paths: LakePaths, found: _Found) -> list[QuarantineSummary]:
    earlier = () if found.previous is None else found.previous.quarantine
    since = {(rule.table, rule.rule): rule.since for rule in earlier}
    own = summarise_quarantine(paths.quarantine, found.evaluated, since, lake.storage_options)
    return [*own, *(_not_new(rule) for rule in earlier if rule.table in found.carried_over)]


def _not_new(rule: QuarantineSummary) -> QuarantineSummary:
    examples = tuple(example.model_copy(update={"is_new": False}) for example in rule.examples)
    return rule.model_copy(update={"new_rows": 0, "examples": examples})


def _tables(found: _Found, quarantine: list[QuarantineSummary]) -> list[TableSummary]:
    earlier = {} if found.previous is None else {table.entry.table: table for table in found.previous.tables}
    works = {} if found.document is None else {work.table.silver: work for work in found.document.tables}
    new: dict[str, int] = {}
    for rule in quarantine:
        new[rule.table] = new.get(rule.table, 0) + rule.new_rows
    return [
        table_summary(
            entry,
            works.get(name),
            earlier.get(name),
            batch_id=found.facts.batch_id if name in found.own else "",
            quarantined_new=new.get(name, 0),
        )
        for name, entry in found.entries.items()
    ]


def _builds(lake: LakeFiles, paths: LakePaths, found: _Found) -> tuple[GoldBuild | None, GoldBuild | None]:
    """The build that readers see, and the one that they saw before this run."""
    if found.publication is None:
        return None, None
    build_id = found.publication.build_id
    earlier = "" if found.previous is None else found.previous.build_id
    builds = find_builds(paths, [name for name in (build_id, earlier) if name], lake.storage_options)
    return builds.get(build_id), builds.get(earlier)


def _checks(found: _Found, build: GoldBuild | None) -> list[CheckSummary]:
    silver = [check for one in found.evaluated for check in silver_checks(one.table, one.entry)]
    models = () if found.document is None else found.document.models
    gold = [] if build is None else list(gold_checks(build, models))
    checks = with_history([*silver, *gold], found.previous)
    earlier = () if found.previous is None else found.previous.checks
    kept = [check for check in earlier if check.layer == "silver" and check.table in found.carried_over]
    return sorted([*checks, *kept], key=lambda check: (check.layer != "silver", check.table))


def _figures(found: _Found, tables: list[TableSummary], written: RunSummary | None) -> RunFigures:
    """The run's own figures; a later run may have published since this one did."""
    facts, publication = found.facts, found.publication
    published_at = None if written is None else written.figures.published_at
    if publication is not None and found.published:
        published_at = publication.published_at
    stopped = found.document is not None and bool(found.document.stopped)
    state = facts.outcome or ("partial" if stopped else "published")
    applied = [entry for entry in found.own.values() if entry.status == "applied"]
    entries = [table.entry for table in tables]
    return RunFigures.model_validate(
        {
            "run_id": facts.run_id,
            "batch_id": facts.batch_id,
            "due": facts.due,
            "state": state,
            "published_at": published_at,
            "seconds": round(facts.seconds, 1),
            "stages": {name: round(seconds, 1) for name, seconds in facts.stages.items()},
            "rows_in": sum(entry.rows_in for entry in applied),
            "changed": sum(entry.inserted + entry.updated + entry.deleted + entry.marked for entry in applied),
            "quarantined": sum(entry.quarantined for entry in entries),
            "warnings": sum(entry.warnings for entry in entries),
        }
    )


def _proof(lake: LakeFiles, paths: LakePaths, found: _Found) -> list[str]:
    """What this run has compared: bronze with the source, then each step."""
    works = () if found.document is None else found.document.tables
    newest = [work.batches[-1] for work in works if work.batches]
    records: list[LinkRecord] = [batch.reconciliation for batch in newest if batch.reconciliation is not None]
    lines = [summarise(records, "source = bronze", lsn_of(newest))] if records else []
    lines += sorted({record.reason for record in records if record.status == "not checked"})
    return [
        *lines,
        *describe_last_run(read_step_records(paths.reconciliation, lake.storage_options, found.facts.batch_id)),
    ]
