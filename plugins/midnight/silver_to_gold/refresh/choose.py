"""Chooses between replacing the rows of affected keys and building a model whole: the cheaper of the two."""

from __future__ import annotations

# A query over fewer rows takes less time than the five queries of a refresh.
SMALL_INPUT_ROWS = 100_000
# From this share of affected keys on, a refresh reads and writes about as much as a whole build.
LARGEST_SHARE = 0.3
# In a table of many rows a key costs about ten times as much as a row of a whole build: at 3 and at 10 million rows,
# 10 % of the keys took as long as a whole build.
MANY_ROWS = 1_000_000
LARGEST_SHARE_OF_MANY_ROWS = 0.05
# The affected keys and the new rows are held in memory (`spark_jobs.runtime.delta_files`).
MOST_KEYS = 1_000_000


def refresh_is_dearer(input_rows: int) -> str:
    """Why a refresh cannot pay, whatever changed; empty if it may.

    Args:
        input_rows: of the largest driving input.
    """
    return f"its input has only {input_rows:,} rows" if input_rows < SMALL_INPUT_ROWS else ""


def too_many_keys(affected: int, rows: int) -> str:
    """Why so many affected keys are not replaced one by one; empty if they are.

    Args:
        affected: number of affected keys.
        rows: of the earlier table; it has at most as many keys.
    """
    if affected > MOST_KEYS:
        return f"{affected:,} affected keys are more than {MOST_KEYS:,}"
    if affected > rows * (LARGEST_SHARE_OF_MANY_ROWS if rows > MANY_ROWS else LARGEST_SHARE):
        return f"{affected:,} keys are affected, and the table has {rows:,} rows"
    return ""
