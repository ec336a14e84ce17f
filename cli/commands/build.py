"""``make build``: builds gold from the silver that is there, without Airflow. Nothing is published."""

from __future__ import annotations

import argparse
import contextlib
import io
import os
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
from midnight.lake.lock import only_writer
from midnight.lake.paths import check_lake_path
from midnight.run.document import RunDocument
from midnight.run.run_configuration import load_run_configuration
from midnight.settings import Settings
from midnight.silver_to_gold.builds import BuiltModel, GoldBuild
from midnight.silver_to_gold.development_builds import RUN_ID, DevelopmentBuild, plan_development_build
from midnight.silver_to_gold.models import GoldModel

LOCK_TIMEOUT_SECONDS = 600


def main(arguments: Sequence[str]) -> int:
    """Build what changed, or one model with what depends on it, and show what came out.

    Args:
        arguments: ``--model NAME``; the default is the variable MODEL, else all models.

    Returns:
        0 when every check passed that stops a build. Errors are raised as ``MidnightError``.
    """
    parser = argparse.ArgumentParser(prog="python -m cli build", description=__doc__)
    parser.add_argument("--model", default=os.environ.get("MODEL", ""), help="this model and what depends on it")
    name = parser.parse_args(arguments).model or None
    console = make_console()
    settings = local_settings("make build", "trigger midnight_pipeline or midnight_rebuild in Airflow")
    models = load_run_configuration(settings, []).models
    plan = plan_development_build(models, name)
    check_lake_path(settings.engine, settings.paths.gold)
    _newest_batch(settings)  # before the lock makes a folder in an instance that is not there yet
    started = time.monotonic()
    with only_writer(settings, "`make build`", lambda text: console.print(Text(text)), LOCK_TIMEOUT_SECONDS):
        build = _build(settings, models, plan, console)
    _print_models(console, build, plan)
    for outdated in _left_out_though_changed(models, build, plan):
        console.print(Text.assemble(("! ", "yellow"), f"{outdated} changed, too, and was not built: make build"))
    words = f"build {build.build_id} is complete; `make publish` shows it to readers"
    console.print(Text.assemble(("✓ ", "green"), words, (f"  {time.monotonic() - started:.1f} s", "dim")))
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
        # Spark's client costs seconds, which nobody waits for whose configuration is wrong.
        from spark_jobs.gold.run import build_gold  # noqa: PLC0415
        from spark_jobs.runtime.session import open_session  # noqa: PLC0415

        with open_session(settings.engine) as session:
            return build_gold(session, document, plan)


def _newest_batch(settings: Settings) -> str:
    entries = latest_entries(read_ledger(settings.paths.ledger))
    if not entries:
        raise LakeError(f"there is no silver yet in {settings.paths.silver}; hint: make up")
    return max(entry.batch_id for entry in entries)


@contextlib.contextmanager
def _progress(console: Console, text: str) -> Iterator[None]:
    """The last line that the job printed, while it works and somebody looks."""
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


def _checks(model: BuiltModel) -> Text:
    passed = sum(check.passed for check in model.checks)
    warnings = [f"{check.name}: {check.failed_rows:,} rows" for check in model.checks if not check.passed]
    text = Text(f"{passed} passed")
    if warnings:
        text.append(f", warning: {'; '.join(warnings)}", "yellow")
    return text


def _left_out_though_changed(models: Sequence[GoldModel], build: GoldBuild, plan: DevelopmentBuild) -> list[str]:
    from spark_jobs.gold.changes import definition_hash  # noqa: PLC0415 - loaded by now

    left_out = [model for model in models if model.name not in plan.considered]
    return [model.name for model in left_out if build.models[model.name].definition != definition_hash(model)]
