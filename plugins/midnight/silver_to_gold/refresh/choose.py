"""Chooses between replacing the rows of affected keys and building a model whole: the cheaper of the two."""

from __future__ import annotations

# A query over fewer rows takes less time than the five queries of a refresh.
SMALL_INPUT_ROWS = 100_000
# From this share of affected keys on, a refresh reads about as much of its inputs as a whole build.
LARGEST_SHARE = 0.3
# What a refresh costs however little changed, for each row of the files that it writes again, and for each row of an
# affected key, if a row of a whole build costs 1. Measured with Sail at 10 million rows: 3.5 s for all files, 1.8 s for
# 1 million keys, 3.8 s for a whole build.
COST_OF_REFRESH, COST_OF_FILES, COST_OF_KEYS = 300_000, 0.9, 4.7
# The affected keys and the new rows are held in memory (`spark_jobs.runtime.delta_files`).
MOST_KEYS = 1_000_000


def refresh_costs_more(input_rows: int) -> str:
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
    if affected > rows * LARGEST_SHARE:
        return f"{affected:,} keys are affected, and the table has {rows:,} rows"
    return ""


def rewrite_costs_more(affected: int, rows_of_files: int, input_rows: int) -> str:
    """Why the files with affected keys are not written again one by one; empty if they are.

    Args:
        affected: rows of the earlier table with an affected key, or affected keys if there are more of them.
        rows_of_files: of all files that have such a row.
        input_rows: of the largest driving input, which a whole build reads.
    """
    if COST_OF_REFRESH + COST_OF_FILES * rows_of_files + COST_OF_KEYS * affected > input_rows:
        return f"{affected:,} affected rows are in files of {rows_of_files:,} rows"
    return ""
