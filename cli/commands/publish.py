"""`midnight publish`: checks all files, and points the local views at the newest build of gold."""

from __future__ import annotations

import time
from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from cli.console.progress import make_console
from cli.instance.local_settings import local_settings
from midnight.configuration_check.check import check_run
from midnight.errors import ConfigurationError, ServingError
from midnight.gold_to_serving.publication import newest_build
from midnight.gold_to_serving.publish import publish_locally
from midnight.lake.files import open_local_lake
from midnight.silver_to_gold.builds import GoldBuild
from midnight.silver_to_gold.development_builds import RUN_ID
from midnight.silver_to_gold.models import GoldModel


def main() -> int:
    """Publish the newest complete build, from a run or from `make build`.

    Returns:
        0 when the views are published. Errors are raised as ``MidnightError``; readers then keep the published views.
    """
    started = time.monotonic()
    console = make_console()
    settings = local_settings("make publish", "clear the task gold_to_serving in Airflow")
    models = check_run(settings, []).models
    lake = open_local_lake()
    changed = _changed_contracts(models, newest_build(settings.paths, lake))
    try:
        publication = publish_locally(
            paths=settings.paths,
            files=lake,
            configuration=settings.config,
            database=settings.serving_database,
            batch_id=None,
            run_id="make publish",
        )
    except ConfigurationError as error:
        if not changed:
            raise
        # The files agree with each other: the build is older than they are.
        raise ServingError(f"{error}\nthe newest build is older than {', '.join(changed)}; hint: make build") from error
    for name in changed:
        console.print(Text.assemble(("! ", "yellow"), f"{name} changed since it was built; hint: make build"))
    table = Table(box=None, pad_edge=False)
    table.add_column("view", no_wrap=True)
    table.add_column("rows", justify="right")
    for view, rows in publication.views.items():
        table.add_row(view, "" if rows is None else f"{rows:,}")
    console.print(table)
    made_by = "`make build`" if publication.run_id == RUN_ID else f"the run {publication.run_id}"
    text = f"{settings.serving_database} shows build {publication.build_id} of {made_by}"
    seconds = (f"  {time.monotonic() - started:.1f} s", "dim")
    console.print(Text.assemble(("✓ ", "green"), text, seconds), soft_wrap=True)
    return 0


def _changed_contracts(models: Sequence[GoldModel], build: GoldBuild) -> list[str]:
    """Models whose columns differ from the build, or that the build does not contain."""
    changed = []
    for model in models:
        built = build.models.get(model.name)
        columns = [(column.name, column.type) for column in model.contract.columns]
        if built is None or columns != [(column.name, column.type) for column in built.columns]:
            changed.append(f"gold.{model.name}")
    return changed
