"""When a refresh is cheaper than a whole build."""

from __future__ import annotations

import pytest

from midnight.silver_to_gold.refresh.choose import (
    MOST_KEYS,
    SMALL_INPUT_ROWS,
    refresh_costs_more,
    rewrite_costs_more,
    too_many_keys,
)


def test_a_small_input_is_read_whole():
    assert refresh_costs_more(SMALL_INPUT_ROWS - 1) == "its input has only 99,999 rows"
    assert refresh_costs_more(SMALL_INPUT_ROWS) == ""


@pytest.mark.parametrize(
    ("affected", "rows", "reason"),
    [
        (0, 0, ""),
        (300_000, 1_000_000, ""),
        (300_001, 1_000_000, "300,001 keys are affected, and the table has 1,000,000 rows"),
        (1, 0, "1 keys are affected, and the table has 0 rows"),
        (MOST_KEYS, 10**9, ""),
        (MOST_KEYS + 1, 10**9, "1,000,001 affected keys are more than 1,000,000"),
    ],
)
def test_many_affected_keys_are_not_replaced_one_by_one(affected, rows, reason):
    assert too_many_keys(affected, rows) == reason


@pytest.mark.parametrize(
    ("affected", "rows_of_files", "input_rows", "reason"),
    [
        (1_000_000, 3_600_000, 10_000_000, ""),
        (10_000, 10_000_000, 10_000_000, ""),
        (10_000, 1_000_000, 1_000_000, "10,000 affected rows are in files of 1,000,000 rows"),
        (10_000, 500_000, 1_000_000, ""),
        (300_000, 10_000_000, 10_000_000, "300,000 affected rows are in files of 10,000,000 rows"),
        (2_000_000, 2_000_000, 10_000_000, "2,000,000 affected rows are in files of 2,000,000 rows"),
        (365, 3_650, 10_000_000, ""),  # few groups of many rows
    ],
)
def test_files_with_few_affected_rows_are_not_written_again_one_by_one(affected, rows_of_files, input_rows, reason):
    assert rewrite_costs_more(affected, rows_of_files, input_rows) == reason
