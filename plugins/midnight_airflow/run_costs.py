"""Keeps what a task has used in a service (``midnight.cost``). Counting costs never fails a task."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from midnight.cost.facts import key_vault_facts
from midnight.cost.storage import write_facts
from midnight.errors import MidnightError
from midnight.settings import load_settings
from midnight_airflow.hooks.lake import BRIEFLY, open_lake
from midnight_airflow.run_context import batch_id

if TYPE_CHECKING:
    from airflow.sdk import Context

    from midnight.cost.facts import CostFact

_log = logging.getLogger(__name__)
_vault_operations = 0


def count_vault_operation() -> None:
    """Called for every request to the Key Vault; the next ``record_costs`` of this process keeps them."""
    global _vault_operations  # noqa: PLW0603 - a process has one secrets backend, and no other place for its count
    _vault_operations += 1


def record_costs(context: Context, name: str, count: Callable[[], Sequence[CostFact]]) -> None:
    """Keep the facts of a task, and the requests of this process to the Key Vault.

    Args:
        context: Airflow's.
        name: what distinguishes the facts from others of the task: the id of the service's run.
        count: asks the service, or computes the facts.
    """
    global _vault_operations  # noqa: PLW0603 - see ``count_vault_operation``
    settings = load_settings()
    file = f"{context['ti'].task_id}.{name}"
    try:
        found = [*count(), *key_vault_facts(_vault_operations)]
        write_facts(open_lake(settings, BRIEFLY), settings.paths, batch_id(context), file, found)
    except MidnightError as error:
        _log.warning("The costs of this task are not counted: %s", error)
    else:
        _vault_operations = 0
