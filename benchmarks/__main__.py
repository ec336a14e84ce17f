"""``python -m benchmarks [name …]``: all benchmarks, or the named ones; ``name --option …``: one with its options."""

from __future__ import annotations

import importlib
import itertools
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "plugins")]

BENCHMARKS = {
    "extraction": "PostgreSQL to bronze, against the server's own limit and the DuckDB scanner",
    "late_commits": "finding changed rows so that no late commit is missed, against reading all rows",
    "reconciliation": "counts and digests of the source against its own COPY, and five faults found in bronze",
    "azure_lake": "PostgreSQL to bronze in Azurite, against the local folder and the SDK alone",
    "deleted_rows": "the keys of all rows next to a full read, and the deleted rows in silver",
    "scale": "silver and gold of a large table by the share of changed rows, against the first build and dbt",
    "proof": "silver and gold with reconcile: off, counts and digests",
    "many_tables": "a run over 1,000 small tables, first and unchanged, against the server's own COPY",
    "year": "files, bytes and time of silver and gold over 365 runs of 0.1 %, against the first",
    "nightly_run": "from the trigger to the views, split into Airflow and tasks; a second run against the first",
    "configuration_check": "make check with the demo and with 200 tables, against its imports alone",
    "dag_parsing": "parsing the DAGs with 5 and with 500 tables, against a DAG with one empty task",
}


def main(arguments: list[str]) -> int:
    """Run the named benchmarks, or all.

    Args:
        arguments: names; the options after a single name are passed on.
    """
    names = list(itertools.takewhile(lambda argument: not argument.startswith("-"), arguments))
    options = arguments[len(names) :]
    if options and len(names) != 1:
        print(f"options {options!r} need one benchmark; hint: python -m benchmarks scale --rows 1000000")
        return 2
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        print(f"{unknown!r} is not a benchmark; hint: one of {list(BENCHMARKS)!r}")
        return 2
    for name in names or BENCHMARKS:
        print(f"\n== {name}: {BENCHMARKS[name]}", flush=True)
        importlib.import_module(f"benchmarks.{name}").main(*([options] if options else []))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
