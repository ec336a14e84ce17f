"""One Airflow asset per silver table and per published gold model, with an event whenever its rows have changed.

The tasks have an asset alias as outlet, so that a run emits events of what changed alone, and parsing a DAG file reads
no table file. An asset is known to Airflow from its first event on, or from the first DAG that is scheduled on it.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from airflow.sdk import Asset, AssetAlias
from airflow.sdk.configuration import conf

from midnight.configuration.pipeline import load_pipeline
from midnight.lake.ledger import LedgerEntry, latest_entries
from midnight.names import folder_name
from midnight.settings import Settings
from midnight_airflow.run_context import batch_id, run_links

if TYPE_CHECKING:
    from airflow.sdk import Context

    from midnight.gold_to_serving.publication import Publication
    from midnight.silver_to_gold.builds import BuiltModel

# Airflow records the events of a task within the request that reports its success, one after the other: measured with
# 1,000 new assets in SQLite, 33 ms each with six programs on each core.
_SECONDS_PER_EVENT = 0.04

_log = logging.getLogger(__name__)

SILVER_ALIAS = AssetAlias("midnight_silver", group="midnight")
GOLD_ALIAS = AssetAlias("midnight_gold", group="midnight")


def table_asset(source: str, layer: Literal["silver", "gold"], name: str) -> Asset:
    """The asset of a silver table or gold model; the same in every profile and lake.

    Args:
        source: ``source: name`` of pipeline.yml.
        layer: of the table.
        name: silver name, or name of the model.
    """
    uri = f"midnight://{folder_name(source)}/{layer}/{folder_name(name)}"
    return Asset(name=uri.removeprefix("midnight://"), uri=uri, group="midnight")


def emit_silver_events(context: Context, settings: Settings, entries: Sequence[LedgerEntry]) -> None:
    """Emit one event per silver table whose rows this run has changed.

    Args:
        context: of a task with SILVER_ALIAS as outlet; without it nothing is emitted.
        settings: of the configuration.
        entries: of the ledger, all of this run.
    """
    # Another try after a failure finds nothing to do in the tables that the first one has changed.
    changed = [entry for entry in entries if entry.status == "applied" and entry.changed != "nothing"]
    events: dict[str, dict[str, Any]] = {
        entry.table: {
            "batch_id": batch_id(context),
            "rows": entry.silver_after,
            **{name: getattr(entry, name) for name in ("inserted", "updated", "deleted", "quarantined")},
        }
        for entry in latest_entries(changed)
    }
    _emit(context, settings, SILVER_ALIAS, "silver", events)


def emit_gold_events(
    context: Context, settings: Settings, publication: Publication, models: Mapping[str, BuiltModel]
) -> None:
    """Emit one event per published model that has other rows than the one that readers saw before.

    Args:
        context: of a task with GOLD_ALIAS as outlet; without it nothing is emitted.
        settings: of the configuration.
        publication: of this run.
        models: from ``changed_models``.
    """
    events: dict[str, dict[str, Any]] = {
        name: {"batch_id": publication.batch_id, "build_id": publication.build_id, "rows": model.rows}
        for name, model in models.items()
    }
    _emit(context, settings, GOLD_ALIAS, "gold", events)


def _emit(
    context: Context,
    settings: Settings,
    alias: AssetAlias,
    layer: Literal["silver", "gold"],
    events: Mapping[str, dict[str, Any]],
) -> None:
    task: Any = context["ti"].task
    if alias not in task.outlets:
        return
    source = load_pipeline(settings.config).source.name
    facts = {"run_id": str(context["run_id"]), "link": run_links(context).get("Run", "")}
    outlet: Any = context["outlet_events"][alias]
    for name, extra in sorted(events.items()):
        outlet.add(table_asset(source, layer, name), extra=extra | facts)
    _warn_of_timeout(len(events))


def _warn_of_timeout(events: int) -> None:
    """Say so where Airflow may need longer for the events than the task waits; the task would fail after its work."""
    allowed = conf.getfloat("workers", "execution_api_timeout")
    if events * _SECONDS_PER_EVENT > allowed:
        _log.warning(
            "Airflow may need longer for the events of %d assets than the %g s of [workers] execution_api_timeout, "
            "which fails this task; hint: AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT=300",
            events,
            allowed,
        )
