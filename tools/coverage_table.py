"""The coverage of each package, from the report of `make coverage`: ``python -m tools.coverage_table REPORT TABLE``."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

PACKAGES = ("plugins/midnight", "plugins/midnight_airflow", "spark_jobs", "cli")


def coverage_table(files: Mapping[str, Mapping[str, Any]]) -> str:
    """A table in Markdown: statements and the share of them that ran.

    Args:
        files: the report's entry ``files``: path -> its ``summary``, among others.
    """
    lines = ["| package | statements | covered |", "|---|---|---|"]
    for package in PACKAGES:
        found = [entry["summary"] for path, entry in files.items() if path.startswith(f"{package}/")]
        lines.append(_row(f"`{package}`", found))
    lines.append(_row("all", [entry["summary"] for entry in files.values()]))
    return "\n".join(lines) + "\n"


def _row(name: str, summaries: list[Mapping[str, int]]) -> str:
    statements = sum(summary["num_statements"] for summary in summaries)
    covered = sum(summary["covered_lines"] for summary in summaries)
    return f"| {name} | {statements:,} | {100 * covered / max(statements, 1):.0f} % |"


def main(report: Path, table: Path) -> None:
    """Write and print the table."""
    text = coverage_table(json.loads(report.read_text(encoding="utf-8"))["files"])
    table.write_text(text, encoding="utf-8")
    print(text, end="")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:3]))
