"""Lets the product treat tables of ten rows as it treats large ones: as several files, refreshed by key."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterator
from unittest import mock

import pytest

from midnight.silver_to_gold.refresh import choose

REFRESH_ANYTHING = {
    "SMALL_INPUT_ROWS": 0,
    "LARGEST_SHARE": 1.0,
    "COST_OF_REFRESH": 0,
    "COST_OF_FILES": 0,
    "COST_OF_KEYS": 0,
}
# Module -> its limits. One that the product does not have is an error: the sequences would prove nothing.
LIMITS: dict[str, dict[str, float]] = {
    "midnight.silver_to_gold.refresh.choose": REFRESH_ANYTHING,
    "spark_jobs.silver.key_ranges": {"ROWS_AT_ONCE": 3},
    "spark_jobs.gold.key_parts": {"ROWS_AT_ONCE": 4, "ROWS_AT_ONCE_BY_HASH": 6},
    "spark_jobs.silver.write_changes": {"MAX_CHANGED_ROWS": 6},
    "spark_jobs.silver.key_lists": {"KEYS_AT_ONCE": 4},
    "spark_jobs.transforms.keys": {"KEYS_COUNTED_AT_ONCE": 20},
    "spark_jobs.silver.batch_difference": {"SMALL_SNAPSHOT_ROWS": 0},
    "spark_jobs.runtime.found_rows": {"MOST_BYTES_KEPT": 700},
    "spark_jobs.runtime.file_plan": {"_FEWEST_ROWS": 4, "FILE_BYTES": 1},
}


@contextlib.contextmanager
def as_for_large_tables() -> Iterator[None]:
    """Inside the block no table is too small for what pays only for large ones."""
    with contextlib.ExitStack() as stack:
        for module, limits in LIMITS.items():
            found = importlib.import_module(module)
            for name, value in limits.items():
                stack.enter_context(mock.patch.object(found, name, value))
        yield


def refresh_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refresh models by key in a test whatever it costs."""
    for name, value in REFRESH_ANYTHING.items():
        monkeypatch.setattr(choose, name, value)
