"""`midnight build`: builds gold from the current silver, without Airflow; nothing is published."""

from __future__ import annotations

import contextlib
import io
import json
import time
from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.status import Status
from rich.table import Table
from rich.text import Text

from cli.console.progress import make_console
from cli.instance.local_settings import local_settings
from midnight.errors import LakeError
from midnight.lake.ledger import latest_entries, read_ledger
from midnight.lake.lock import lake_write_lock
from midnight.lake.paths import check_lake_path
from midnight.run.document import RunDocument
from midnight.run.run_configuration import load_run_configuration
from midnight.settings import Settings
from midnight.silver_to_gold.builds import BuiltModel, GoldBuild
from midnight.silver_to_gold.development_builds import RUN_ID, DevelopmentBuild, plan_development_build
from midnight.silver_to_gold.models import GoldModel

LOCK_TIMEOUT_SECONDS = 600


def main(*, model: str | None = None, as_json: bool = False) -> int:
    """Build what changed, or one model with the models that depend on it, and show the result.

    Args:
        model: name of the model; None for all.
        as_json: print one JSON document to standard output, and the progress to standard error.

    Returns:
        0 when every check passed that can stop a build. Errors are raised as ``MidnightError``.
    """
    console = make_console(stderr=as_json)
    settings = local_settings("make build", "trigger midnight_pipeline or midnight_rebuild in Airflow")
    models = load_run_configuration(settings, []).models
    plan = plan_development_build(models, model)
    check_lake_path(settings.engine, settings.paths.gold)
    _newest_batch(settings)  # before the lock creates a folder for an instance that does not exist yet
    started = time.monotonic()
    with lake_write_lock(settings.paths, "`make build`", lambda text: console.print(Text(text)), LOCK_TIMEOUT_SECONDS):
        build = _build(settings, models, plan, console)
    if as_json:
        print(json.dumps(_document(build, plan), indent=1, ensure_ascii=False))
    _print_models(console, build, plan)
    for outdated in _left_out_though_changed(models, build, plan):
        console.print(Text.assemble(("! ", "yellow"), f"{outdated} also changed and was not built; hint: make build"))
    text = f"build {build.build_id} is complete; `make publish` shows it to readers"
    console.print(Text.assemble(("✓ ", "green"), text, (f"  {time.monotonic() - started:.1f} s", "dim")))
    return 0


def _build(settings: Settings, models: Sequence[GoldModel], plan: DevelopmentBuild, console: Console) -> GoldBuild:
    document = RunDocument(
        batch_id=_newest_batch(settings),
        run_id=RUN_ID,
        lake=settings.paths.as_dict(),
        tables=(),
        models=tuple(models),
    )
    with _progress(console, f"starting {settings.engine}"):
        # Importing Spark's client takes seconds, which a wrong configuration should not cost.
        from spark_jobs.gold.run import build_gold
        from spark_jobs.runtime.session import open_session

        with open_session(settings.engine) as session:
            return build_gold(session, document, plan)


def _newest_batch(settings: Settings) -> str:
    entries = latest_entries(read_ledger(settings.paths.ledger))
    if not entries:
        raise LakeError(f"there is no silver in {settings.paths.silver}; hint: make up")
    return max(entry.batch_id for entry in entries)


@contextlib.contextmanager
def _progress(console: Console, text: str) -> Iterator[None]:
    """Show the last line that the job printed."""
    with console.status(text) as status, contextlib.redirect_stdout(_LastLine(status)):
        yield


class _LastLine(io.TextIOBase):
    def __init__(self, status: Status) -> None:
        self._status = status

    def write(self, text: str) -> int:
        if text.strip():
            self._status.update(Text(text.strip()))
        return len(text)


def _print_models(console: Console, build: GoldBuild, plan: DevelopmentBuild) -> None:
    table = Table(box=None, pad_edge=False)
    table.add_column("gold model", no_wrap=True)
    table.add_column("rows", justify="right")
    table.add_column("seconds", justify="right")
    table.add_column("checks", overflow="fold")
    for name, model in build.models.items():
        took = f"{model.seconds:.1f}" if model.built_in == build.build_id else "unchanged"
        table.add_row(name, f"{model.rows:,}", took if name in plan.considered else "not built", _checks(model))
    console.print(table)


def _document(build: GoldBuild, plan: DevelopmentBuild) -> dict[str, object]:
    models = [
        {
            "name": name,
            "rows": model.rows,
            "built": model.built_in == build.build_id,
            "considered": name in plan.considered,
            "seconds": model.seconds,
            "failed_checks": {check.name: check.failed_rows for check in model.checks if not check.passed},
        }
        for name, model in build.models.items()
    ]
    return {"build_id": build.build_id, "batch_id": build.batch_id, "models": models}


def _checks(model: BuiltModel) -> Text:
    passed = sum(check.passed for check in model.checks)
    warnings = [f"{check.name}: {check.failed_rows:,} rows" for check in model.checks if not check.passed]
    text = Text(f"{passed} passed")
    if warnings:
        text.append(f", warning: {'; '.join(warnings)}", "yellow")
    return text


def _left_out_though_changed(models: Sequence[GoldModel], build: GoldBuild, plan: DevelopmentBuild) -> list[str]:
    from spark_jobs.gold.changes import definition_hash

    left_out = [model for model in models if model.name not in plan.considered]
    return [model.name for model in left_out if build.models[model.name].definition != definition_hash(model)]
