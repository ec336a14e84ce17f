"""``deletes`` of a table file."""

from __future__ import annotations

from typing import Any

import pytest

from midnight.configuration.tables import Table

COLUMNS = [{"name": "id", "type": "integer"}, {"name": "moved", "type": "integer"}]
INCREMENTAL = {"mode": "incremental", "key": ["id"], "cursor": "moved"}


def make_table(**fields: Any) -> Table:
    return Table.model_validate({"schema": "public", "table": "t", "silver": "t", "columns": COLUMNS, **fields})


@pytest.mark.parametrize(
    "fields",
    [
        {**INCREMENTAL, "deletes": "keys"},
        {**INCREMENTAL, "deletes": "soft", "full_snapshot_interval_days": 0},
        {**INCREMENTAL, "deletes": "snapshot"},
        {"key": ["id"], "deletes": "soft"},
        {"deletes": "snapshot"},
    ],
)
def test_valid_combinations(fields):
    assert make_table(**fields).deletes == fields["deletes"]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"key": ["id"], "deletes": "keys"}, "'keys' is only valid with mode: incremental.*hint: remove this line"),
        ({"deletes": "keys"}, "'keys' is only valid with mode: incremental"),
        ({"deletes": "soft"}, "'soft' needs a key, .*hint: add key"),
        ({"mode": "incremental", "cursor": "moved", "deletes": "keys"}, "'incremental' needs a key"),
        ({**INCREMENTAL, "deletes": "hard"}, "'snapshot', 'keys' or 'soft'"),
    ],
)
def test_nonsense_is_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        make_table(**fields)
