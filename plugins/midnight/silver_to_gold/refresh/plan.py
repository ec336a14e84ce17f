"""The plan of refreshing a gold model, as the job runs it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from midnight.silver_to_gold.sql_references import view_name

# The view of the affected keys, with one column for each name in `RefreshPlan.key`, distinct.
AFFECTED_KEYS = "affected__keys"


def changed_view(reference: str) -> str:
    """The view of the rows of an input that changed, before and after: ``changed__silver__flights``."""
    return f"changed__{view_name(reference)}"


def any_view(reference: str) -> str:
    """The view of the rows that an input has or had: its rows now, and those before the change."""
    return f"any__{view_name(reference)}"


@dataclass(frozen=True)
class DrivingInput:
    """An input whose rows decide the keys of the model, restricted to the affected keys.

    Args:
        reference: ``silver.<table>`` or ``gold.<model>``.
        view: the name under which `RefreshPlan.restricted_sql` reads the restricted rows:
            ``affected__silver__flights`` (with a number if the input is restricted in several ways).
        sql: the query of this view. It reads the input's view and ``affected__keys``, and returns all columns.
        key: the expressions of the model's key over the input's columns, in the order of `RefreshPlan.key`.
    """

    reference: str
    view: str
    sql: str
    key: tuple[str, ...]


@dataclass(frozen=True)
class RefreshPlan:
    """How a model is refreshed.

    With ``key``: the union of `affected` over all changed inputs, distinct, is the view ``affected__keys``. The rows of
    the old table whose key is in it (compared null-safe, ``<=>``) are replaced by the rows of `restricted_sql`, which
    reads the inputs as they are now, and the views of `driving`.

    Args:
        kind: ``full`` if the model is always built whole, ``key`` if only rows of affected keys are replaced.
        reason: why, for people.
        key: columns of the model that decide which rows belong together; a part of the contract's key.
        driving: restricted inputs; usually one.
        affected: reference -> Spark SQL of the affected keys, in the contract's types and with the names of `key`,
            with duplicates. It reads ``changed__<view>`` of this input, and ``any__<view>`` of all inputs.
        full_when_changed: reference -> why the model is built whole in a run in which this input changed. `affected`
            and this have each input of the query once. An input that only checks read is in neither.
        restricted_sql: the model's query, restricted to the affected keys.
        read_whole: inputs that the restricted query reads completely, whatever keys are affected.
        gathers: whether the query has a GROUP BY, a DISTINCT or a window, whose rows an engine may hold in memory.
    """

    kind: Literal["full", "key"]
    reason: str
    key: tuple[str, ...] = ()
    driving: tuple[DrivingInput, ...] = ()
    affected: Mapping[str, str] = field(default_factory=dict)
    full_when_changed: Mapping[str, str] = field(default_factory=dict)
    restricted_sql: str = ""
    read_whole: tuple[str, ...] = ()
    gathers: bool = False
