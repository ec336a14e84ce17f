"""`midnight night`: one more day in the demo source, then a run of the pipeline."""

from __future__ import annotations

from cli.commands import up


def main(*, as_json: bool = False) -> int:
    """Start what is needed, add one day to the demo source, run the pipeline, and show the outcome.

    Args:
        as_json: print the outcome as JSON to standard output, and the progress to standard error.

    Returns:
        0 only if the run succeeded.
    """
    return up.main(as_json=as_json, new_day=True)
