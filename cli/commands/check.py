"""`midnight check`: every problem of every configuration file, with file and line; no service and no data is needed."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from rich.console import Console
from rich.text import Text

from midnight.configuration_check.check import check_configuration
from midnight.configuration_check.report import counted
from midnight.errors import ConfigurationError, ConfigurationProblem
from midnight.settings import REPOSITORY, load_settings
from midnight.silver_to_gold.refresh.plan import RefreshPlan


def main(*, as_json: bool = False) -> int:
    """Check the configuration and print what is wrong.

    Args:
        as_json: print one JSON document.

    Returns:
        0 when nothing is wrong (warnings are allowed), 1 otherwise.
    """
    started = time.monotonic()
    folder: Path | None = None
    counts: dict[str, int] = {}
    warnings: Iterable[ConfigurationProblem] = ()
    refreshes: dict[str, RefreshPlan] = {}
    try:
        settings = load_settings()
        folder = settings.config
        report = check_configuration(settings)
        problems, warnings, counts = report.problems, report.warnings, report.counts
        refreshes = report.refreshes
    except ConfigurationError as error:  # of the variables
        problems = error.problems
    if as_json:
        found = {
            "problems": _as_json(problems, folder),
            "warnings": _as_json(warnings, folder),
            "counts": counts,
            "refresh": {name: _refresh_as_json(plan) for name, plan in refreshes.items()},
        }
        print(json.dumps(found, indent=1, ensure_ascii=False))
    else:
        _print(problems, warnings, folder)
        _print_refreshes(refreshes.values())
        _print_sum(problems, counts, time.monotonic() - started)
    return 1 if problems else 0


def shown_path(where: str, folder: Path | None) -> str:
    """A problem's file as an editor opens it: relative to the current folder where it is below it.

    Args:
        where: relative to the configuration folder or, as ``infra/access.yml``, to the repository; or a variable.
        folder: the configuration folder.
    """
    for base in (folder, REPOSITORY):
        path = None if base is None else base / where
        if path is not None and path.exists():
            return os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)
    return where


def _as_json(problems: Iterable[ConfigurationProblem], folder: Path | None) -> list[dict[str, object]]:
    return [
        {"file": shown_path(p.where, folder), "line": p.line, "field": p.field, "message": p.message} for p in problems
    ]


def _print(
    problems: Iterable[ConfigurationProblem], warnings: Iterable[ConfigurationProblem], folder: Path | None
) -> None:
    console = Console(highlight=False, soft_wrap=True)
    for kind, style, found in (("", "bold", problems), ("warning: ", "yellow", warnings)):
        for problem in found:
            place = shown_path(problem.where, folder) + ("" if problem.line is None else f":{problem.line}")
            field = f"{problem.field}: " if problem.field else ""
            console.print(Text.assemble((f"{place}: ", style), f"{kind}{field}{problem.message}"))


def _refresh_as_json(plan: RefreshPlan) -> dict[str, object]:
    inputs = sorted({item.reference for item in plan.driving})
    whole = dict(plan.full_when_changed)
    return {"kind": plan.kind, "key": plan.key, "driving": inputs, "reason": plan.reason, "full_when_changed": whole}


def _print_refreshes(plans: Iterable[RefreshPlan]) -> None:
    """One line per model, and one per input whose changes build it whole."""
    console = Console(highlight=False, soft_wrap=True)
    for plan in plans:
        console.print(Text(plan.reason, "dim" if plan.kind == "key" else ""))
        for reference, why in plan.full_when_changed.items():
            console.print(Text(f"  built whole when {reference} changes: {why}"))


def _print_sum(problems: Sequence[ConfigurationProblem], counts: dict[str, int], seconds: float) -> None:
    console = Console(highlight=False, soft_wrap=True)
    if problems:
        files = len({problem.where for problem in problems})
        console.print(Text(f"✗ {counted({'problems': len(problems)})} in {counted({'files': files})}", "red"))
    else:
        text = f"{counted(counts)}: no problem found"
        console.print(Text.assemble(("✓ ", "green"), text, (f"  {seconds:.1f} s", "dim")))
