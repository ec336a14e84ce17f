"""``python -m local.spark_sql_proof [family …]``: compare everything and write the proved list."""

from __future__ import annotations

import argparse
import pickle
import sys
import tempfile
import time
from functools import partial
from importlib.metadata import version
from pathlib import Path

from local.spark_sql_proof.campaign import Campaign, make_proofs
from local.spark_sql_proof.cases import EXPRESSION_FAMILIES
from local.spark_sql_proof.engines import sail, spark
from local.spark_sql_proof.grid import grid_table
from local.spark_sql_proof.query_cases import QUERY_FAMILIES
from midnight.spark_sql.proof import PROOF_FILE, parse_proofs, render_proofs

FAMILIES = {**EXPRESSION_FAMILIES, **QUERY_FAMILIES}


def engine_versions() -> str:
    """What is compared: the versions that are installed."""
    return f"pysail {version('pysail')} and pyspark {version('pyspark')}"


def _report(family: str, text: str) -> None:
    print(f"{family}: {text}", flush=True)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("families", nargs="*", help="only these; the others as --keep has them")
    parser.add_argument("--only", nargs="*", help="operations; others as --keep has them")
    parser.add_argument("--only-list", action="store_true", help="compare nothing; write the list from --keep")
    parser.add_argument("--keep", type=Path, help="folder for the comparisons of each family")
    options = parser.parse_args(arguments)
    from deltalake import write_deltalake

    started = time.monotonic()
    if options.only_list:
        comparisons = [c for path in sorted(options.keep.iterdir()) for c in pickle.loads(path.read_bytes())]  # noqa: S301
        PROOF_FILE.write_text(render_proofs(make_proofs(comparisons), engine_versions()), encoding="utf-8")
        return 0
    with tempfile.TemporaryDirectory(prefix="midnight_proof_") as folder:
        write_deltalake(folder, grid_table())
        with sail(folder) as on_sail, spark(folder) as on_spark:
            known = parse_proofs(PROOF_FILE.read_text(encoding="utf-8")) if PROOF_FILE.exists() else []
            campaign = Campaign(on_sail, on_spark, known)
            for family, make_cases in FAMILIES.items():
                kept = None if options.keep is None else options.keep / family
                if options.families and family not in options.families:
                    if kept is not None and kept.exists():
                        campaign.comparisons += pickle.loads(kept.read_bytes())  # noqa: S301 - our own file
                    continue
                before = len(campaign.comparisons)
                campaign.run(
                    list(dict.fromkeys(make_cases())),
                    partial(_report, family),
                )
                if kept is not None:
                    kept.write_bytes(pickle.dumps(campaign.comparisons[before:]))
            campaign.known = make_proofs(campaign.comparisons)
    PROOF_FILE.write_text(render_proofs(campaign.known, engine_versions()), encoding="utf-8")
    equal, lines = sum(proof.is_equal for proof in campaign.known), len(campaign.known)
    print(f"{len(campaign.comparisons)} cases, {lines} lines, {equal} equal, {time.monotonic() - started:.0f} s")
    for text in campaign.unreadable:
        print(f"not read: {text}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
