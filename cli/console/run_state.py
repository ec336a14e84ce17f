"""What `midnight status` says of the newest finished run and of what readers have, from the run's summary."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.text import Text

from cli.console.outcome import ledger_rows
from cli.console.summary import print_ledger
from cli.instance.lake import open_lake
from midnight.bronze.batch_id import make_batch_id
from midnight.durations import describe_age, describe_percent
from midnight.gold_to_serving.publication import Publication, read_publication
from midnight.lake.ledger import LedgerEntry, latest_entries, read_ledger
from midnight.settings import Settings
from midnight.summary.document import CheckSummary, QuarantineSummary, RunSummary
from midnight.summary.storage import read_newest_summary, read_summary

_NO_SUMMARY = "it has no summary; hint: the log of its last task says why"


@dataclass(frozen=True)
class RunState:
    """The newest finished run, and what readers have.

    Args:
        run_id: of the run; empty before the first one.
        summary: of that run; None if it has none.
        entries: the ledger entries of that run alone.
        publication: the current one; ``data_up_to`` of it, None if unknown.
        timezone: of the pipeline.
    """

    run_id: str = ""
    summary: RunSummary | None = None
    entries: tuple[LedgerEntry, ...] = ()
    publication: Publication | None = None
    data_up_to: datetime | None = None
    timezone: str = "UTC"


def read_run_state(settings: Settings, finished: Mapping[str, Any] | None) -> RunState:
    """Read the state from the lake.

    Args:
        settings: of the instance.
        finished: the newest finished run, as Airflow's API returns it; None if Airflow does not run: then the run with
            the newest batch.

    Raises:
        LakeError, ServingError: the lake cannot be read.
    """
    lake, paths = open_lake(settings), settings.paths
    newest, publication = read_newest_summary(lake, paths), read_publication(paths, lake)
    summary = newest
    run_id = "" if newest is None else newest.figures.run_id
    if finished is not None:
        run_id = str(finished["dag_run_id"])
        due = datetime.fromisoformat(str(finished.get("logical_date") or finished["run_after"]))
        summary = read_summary(lake, paths, make_batch_id(due, run_id))
    if summary is not None:
        entries = [table.entry for table in summary.tables if table.entry.run_id == run_id]
    else:
        entries = latest_entries(read_ledger(paths.ledger, lake.storage_options, run_id), run_id) if run_id else []
    return RunState(
        run_id,
        summary,
        tuple(entries),
        publication,
        data_up_to=None if newest is None else newest.data_up_to,
        timezone="UTC" if newest is None else newest.timezone,
    )


def state_document(state: RunState) -> dict[str, Any]:
    """The state for a script; times in UTC."""
    summary, publication = state.summary, state.publication
    return {
        "readers": {
            "data_up_to": None if state.data_up_to is None else state.data_up_to.isoformat(),
            "published_at": None if publication is None else publication.published_at.isoformat(),
            "published_by": "" if publication is None else publication.published_by,
            "build_id": "" if publication is None else publication.build_id,
        },
        "run": {"run_id": state.run_id} if summary is None else summary.figures.model_dump(mode="json"),
        "ledger": ledger_rows(state.entries),
        "failed_checks": [] if summary is None else [_check_document(check) for check in _failing(summary)],
        "releases": [] if summary is None else list(summary.releases),
        "quarantine": [] if summary is None else [rule.model_dump(mode="json") for rule in summary.quarantine],
        "proofs": [] if summary is None else list(summary.proof),
    }


def print_run_state(console: Console, state: RunState) -> None:
    """Print what readers have, then what the run did: its own rows only."""
    console.print(_readers(state), soft_wrap=True)
    if not state.run_id:
        return
    console.print()
    if state.entries:
        print_ledger(console, state.entries, title=f"What run {state.run_id} did, in rows")
    else:
        done = _NO_SUMMARY if state.summary is None else _without_rows(state.summary)
        console.print(Text(f"Run {state.run_id}: {done}"), soft_wrap=True)
    if state.summary is None:
        return
    for text in state.summary.releases:
        console.print(Text.assemble(("! ", "yellow"), text), soft_wrap=True)
    for check in _failing(state.summary):
        console.print(Text.assemble(("! ", "yellow"), _check_line(check)), soft_wrap=True)
    for rule in state.summary.quarantine:
        mark = ("▲ ", "yellow") if rule.new_rows else ("  ", "")
        console.print(Text.assemble(mark, _quarantine_line(rule)), soft_wrap=True)
    for line in state.summary.proof:
        console.print(line, soft_wrap=True, markup=False)


def _readers(state: RunState) -> str:
    if state.publication is None:
        return "Readers have nothing yet: no run has published"
    zone = ZoneInfo(state.timezone)
    published = f"published {state.publication.published_at.astimezone(zone):%a %d %b %Y, %H:%M} {state.timezone}"
    if state.data_up_to is None:
        return f"Readers have data {published}"
    age = describe_age(datetime.now(UTC) - state.data_up_to)
    return f"Readers have data up to {state.data_up_to.astimezone(zone):%a %d %b %Y, %H:%M} ({age} old), {published}"


def _without_rows(summary: RunSummary) -> str:
    if summary.figures.state == "nothing to do":
        return "nothing to do, since it is older than the newest batch of every table"
    return "silver is unchanged" if summary.figures.state == "failed" else "it loaded no table"


def _failing(summary: RunSummary) -> list[CheckSummary]:
    """Checks that rows fail but those of the quarantine, which has lines of its own; new failures first."""
    failing = [check for check in summary.checks if check.failed_rows and check.on_failure != "quarantine"]
    return sorted(failing, key=lambda check: (-check.change, -check.share))


def _check_document(check: CheckSummary) -> dict[str, Any]:
    return check.model_dump(mode="json") | {"change": check.change}


def _check_line(check: CheckSummary) -> str:
    verb = "warning" if check.on_failure == "warn" else "stops the run"
    change = f", {check.change:+,} since the run before" if check.failed_before and check.change else ""
    share = f"{check.failed_rows:,} of {check.rows:,} rows ({describe_percent(100 * check.share)}{change})"
    return f"{check.layer}.{check.table}: {share} fail the check {check.name} ({verb}): {check.requirement}"


def _quarantine_line(rule: QuarantineSummary) -> str:
    new = f", {rule.new_rows:,} of them new" if rule.new_rows else ""
    since = f" since {rule.since:%d %b %Y}" if rule.since else ""
    example = ""
    if rule.examples:
        first = rule.examples[0]
        value = f" {first.column} = {first.value or '(masked)'}" if first.column else ""
        example = f"; for example {first.key or 'a row'}:{value}" if value else f"; for example {first.key}"
    return f"quarantine of {rule.table}: {rule.rows:,} rows{new}{since}: {rule.requirement}{example}"
