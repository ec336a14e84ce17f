"""``python -m tools.spark_sql_proof [family …]``: compare everything and write the proved list."""

from __future__ import annotations

import argparse
import pickle
import sys
import tempfile
import time
from functools import partial
from importlib.metadata import version
from pathlib import Path

from midnight.silver_to_gold.spark_sql.proof import PROOF_FILE, parse_proofs, render_proofs
from tools.spark_sql_proof.campaign import Campaign
from tools.spark_sql_proof.cases import Case
from tools.spark_sql_proof.comparison import Comparison, make_proofs
from tools.spark_sql_proof.engines import sail, spark
from tools.spark_sql_proof.families import FAMILIES
from tools.spark_sql_proof.grid import grid_table


def engine_versions() -> str:
    """The versions of the installed engines."""
    return f"pysail {version('pysail')} and pyspark {version('pyspark')}"


def _report(family: str, text: str) -> None:
    print(f"{family}: {text}", flush=True)


def _kept(folder: Path | None, family: str) -> list[Comparison]:
    """The comparisons of an earlier run."""
    if folder is None or not (folder / family).exists():
        return []
    found: list[Comparison] = pickle.loads((folder / family).read_bytes())  # noqa: S301 - our own file
    return found


def _run_family(
    campaign: Campaign, family: str, cases: list[Case], old: list[Comparison], options: argparse.Namespace
) -> None:
    before = len(campaign.comparisons)
    equal = {item.case for item in old if not item.note and not item.refusal} if options.only_different else set()
    campaign.run([case for case in cases if case not in equal], partial(_report, family), options.only)
    if options.only or options.only_different:
        new = {item.case for item in campaign.comparisons[before:]}
        campaign.comparisons += [item for item in old if item.case in set(cases) - new]
    if options.keep is not None:
        (options.keep / family).write_bytes(pickle.dumps(campaign.comparisons[before:]))


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("families", nargs="*", help="only these; the others as --keep has them")
    parser.add_argument("--keep", type=Path, help="folder with the comparisons of each family, for a run in parts")
    parser.add_argument("--only", nargs="*", default=[], help="operations that are compared; others as --keep has them")
    parser.add_argument("--only-different", action="store_true", help="what --keep has as equal is not compared")
    parser.add_argument("--only-list", action="store_true", help="compare nothing; write the list from --keep")
    options = parser.parse_args(arguments)
    from deltalake import write_deltalake

    started = time.monotonic()
    if options.only_list:
        comparisons = [item for family in FAMILIES for item in _kept(options.keep, family)]
        PROOF_FILE.write_text(render_proofs(make_proofs(comparisons), engine_versions()), encoding="utf-8")
        return 0
    with tempfile.TemporaryDirectory(prefix="midnight_proof_") as folder:
        write_deltalake(folder, grid_table())
        with sail(folder) as on_sail, spark(folder) as on_spark:
            known = parse_proofs(PROOF_FILE.read_text(encoding="utf-8")) if PROOF_FILE.exists() else []
            campaign = Campaign(on_sail, on_spark, known)
            chosen = options.families or list(FAMILIES)
            campaign.comparisons += [
                item for name in FAMILIES if name not in chosen for item in _kept(options.keep, name)
            ]
            for family in chosen:
                cases = list(dict.fromkeys(FAMILIES[family]()))
                _run_family(campaign, family, cases, _kept(options.keep, family), options)
            campaign.known = make_proofs(campaign.comparisons)
    PROOF_FILE.write_text(render_proofs(campaign.known, engine_versions()), encoding="utf-8")
    equal, lines = sum(proof.is_equal for proof in campaign.known), len(campaign.known)
    print(f"{len(campaign.comparisons)} cases, {lines} lines, {equal} equal, {time.monotonic() - started:.0f} s")
    for text in campaign.unreadable:
        print(f"not read: {text}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
