"""Checks and gold models for the summary of a run: what passed, what failed, and how each model was built."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from midnight.configuration.tables import Table
from midnight.lake.ledger import LedgerEntry
from midnight.silver_to_gold.builds import BuiltModel, CheckResult, GoldBuild
from midnight.silver_to_gold.models import GoldModel
from midnight.summary.document import RUNS_KEPT, CheckSummary, ModelSummary, RunSummary

_Key = tuple[str, str, str]


def silver_checks(table: Table, entry: LedgerEntry) -> Iterable[CheckSummary]:
    """Each check of a table; none if the entry is older than the record of failed rows."""
    if not entry.failed_checks:
        return
    failed = entry.rows_by_check
    for check in table.checks:
        yield CheckSummary(
            layer="silver",
            table=table.silver,
            name=check.label,
            requirement=check.requirement,
            on_failure=check.on_failure,
            rows=entry.rows_in,
            failed_rows=failed.get(check.label, 0),
            description=check.description,
            owner=check.owner,
            link=check.link,
        )


def gold_checks(build: GoldBuild, models: Sequence[GoldModel]) -> Iterable[CheckSummary]:
    """Each check of a build; those that the job makes by itself included.

    Args:
        build: the build.
        models: as configured for the run; the checks of another model have no description.
    """
    contracts = {model.name: model.contract for model in models}
    for name, built in sorted(build.models.items()):
        configured = {check.label: check for check in contracts[name].checks} if name in contracts else {}
        for result in built.checks:
            check = configured.get(result.name)
            yield CheckSummary(
                layer="gold",
                table=name,
                name=result.name,
                requirement=check.requirement if check else _own_check(result, built),
                on_failure=result.on_failure,
                rows=built.rows,
                failed_rows=result.failed_rows,
                description=check.description if check else "",
                owner=check.owner if check else "",
                link=check.link if check else "",
            )


def _own_check(result: CheckResult, built: BuiltModel) -> str:
    if result.name == "key":
        return f"the key ({', '.join(built.key)}) is unique and not null" if built.key else "the model has no key"
    return "no text is longer than its max_length" if result.name == "max_length" else result.name


def with_history(checks: Iterable[CheckSummary], previous: RunSummary | None) -> list[CheckSummary]:
    """The checks with the failed rows of earlier runs."""
    before = _by_key(previous.checks) if previous else {}
    found = []
    for check in checks:
        last = before.get(_key(check))
        earlier = () if last is None else (*last.failed_before, last.failed_rows)[-RUNS_KEPT:]
        found.append(check.model_copy(update={"failed_before": earlier}))
    return found


def summarise_models(build: GoldBuild, earlier: GoldBuild | None) -> list[ModelSummary]:
    """Each model of a build, by name.

    Args:
        build: the build.
        earlier: the one that readers saw before; None if there is none.
    """
    return [
        _model(name, built, build, None if earlier is None else earlier.models.get(name))
        for name, built in sorted(build.models.items())
    ]


def _model(name: str, built: BuiltModel, build: GoldBuild, earlier: BuiltModel | None) -> ModelSummary:
    # A model with the same rows keeps its folder, too, but its inputs have changed.
    kept = built.built_in != build.build_id and (earlier is None or earlier.inputs == built.inputs)
    return ModelSummary(
        name=name,
        description=built.description,
        rows=built.rows,
        built="kept" if kept else built.built,
        why="" if kept else built.why,
        seconds=0 if kept else built.seconds,
        checks=len(built.checks),
        checks_failed=sum(not check.passed for check in built.checks),
    )


def _by_key(checks: Iterable[CheckSummary]) -> Mapping[_Key, CheckSummary]:
    return {_key(check): check for check in checks}


def _key(check: CheckSummary) -> _Key:
    return check.layer, check.table, check.name
