"""`midnight quarantine list | explain | export`: the rows that checks keep out of silver, read from the lake."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from cli.console.quarantine_output import print_explanations, print_rules, write_export
from cli.instance.lake import open_lake
from midnight.configuration.files import load_configuration
from midnight.configuration.tables import Table
from midnight.errors import MidnightError
from midnight.lake.ledger import read_ledger_rows
from midnight.names import known_names
from midnight.quarantine.export import export_rows
from midnight.quarantine.overview import quarantine_batches, rejected_by_rule
from midnight.quarantine.rejected import EXAMPLES, RejectedByRule, read_rejected
from midnight.quarantine.rules import rule_of
from midnight.settings import Settings, load_settings

_EXPLAINED_EXAMPLES = 10


class QuarantineError(MidnightError):
    """A rule that the table does not have, or an output that cannot be written."""


def list_rules(*, as_json: bool = False) -> int:
    """Show every rule that keeps rows out of silver; returns 0."""
    settings = load_settings()
    configuration = load_configuration(settings.config)
    found = _rejected(settings, configuration.tables)
    if as_json:
        _print_json([_as_json(one) for one in found])
    else:
        print_rules(found, configuration.pipeline.schedule.timezone)
    return 0


def explain(*, table: str, rule: str | None = None, as_json: bool = False) -> int:
    """Explain the rules that keep rows of one table out of silver.

    Args:
        table: silver name or qualified name.
        rule: name of one rule, also of one that rejects no row now; None for all that reject rows.
        as_json: print one JSON document.

    Returns:
        0.

    Raises:
        ConfigurationError: the table is not configured.
        QuarantineError: the table does not have the rule.
    """
    settings = load_settings()
    configuration = load_configuration(settings.config)
    [configured] = configuration.select([table])
    found = _rejected(settings, [configured], _EXPLAINED_EXAMPLES)
    if rule is not None:
        chosen = [one for one in found if one.rule.name == rule]
        if not chosen:
            _check_rule(configured, rule, found)
            chosen = [RejectedByRule(configured, rule_of(configured, rule), "", 0, 0, None, ())]
        found = chosen
    if as_json:
        _print_json([_as_json(one, explained=True) for one in found])
    else:
        print_explanations(configured, found, configuration.pipeline.schedule.timezone)
    return 0


def export(
    *,
    table: str,
    rule: str | None = None,
    form: Literal["csv", "json", "parquet"] = "csv",
    output: Path | None = None,
) -> int:
    """Write the rejected rows of the newest batch of one table.

    Args:
        table: silver name or qualified name.
        rule: name of one rule; None for all.
        form: of the output.
        output: file, readable by its owner alone; None for standard output.

    Returns:
        0.

    Raises:
        ConfigurationError: the table is not configured.
        QuarantineError: the table does not have the rule, or Parquet would be written to a terminal.
    """
    import pyarrow.compute as pc

    settings = load_settings()
    [configured] = load_configuration(settings.config).select([table])
    if form == "parquet" and output is None and sys.stdout.isatty():
        raise QuarantineError("Parquet cannot be shown in a terminal; hint: add --output FILE")
    options = open_lake(settings).storage_options
    ledger = read_ledger_rows(settings.paths.ledger, options)
    batches = quarantine_batches(ledger, [configured.silver]).get(configured.silver, [])[:1]
    rows = read_rejected(settings.paths.quarantine, [configured.silver], batches, options)
    if rule is not None:
        found = rows.filter(pc.equal(rows["rule"], rule))
        if not found.num_rows:
            _check_rule(configured, rule, ())
        rows = found
    write_export(export_rows(configured, rows), form, output)
    where = "" if output is None else f" to {output}"
    counted = f"{rows.num_rows:,} rejected row{'' if rows.num_rows == 1 else 's'} of {configured.silver}"
    print(
        f"{counted} written{where}" if rows.num_rows else f"no row of {configured.silver} is in quarantine",
        file=sys.stderr,
    )
    return 0


def _rejected(settings: Settings, tables: Sequence[Table], examples: int = EXAMPLES) -> list[RejectedByRule]:
    paths, options = settings.paths, open_lake(settings).storage_options
    return rejected_by_rule(read_ledger_rows(paths.ledger, options), paths.quarantine, tables, options, examples)


def _check_rule(table: Table, name: str, found: Sequence[RejectedByRule]) -> None:
    """A rule that rejects no row now must be one that the table has."""
    names = [check.label for check in table.checks] + [one.rule.name for one in found]
    if rule_of(table, name).is_known:
        return
    raise QuarantineError(f"{table.silver} has no rule {name!r}; hint: {known_names(name, names)}")


def _as_json(one: RejectedByRule, *, explained: bool = False) -> dict[str, Any]:
    values: dict[str, Any] = {
        "table": one.table.silver,
        "source_table": one.table.qualified_name,
        "rule": one.rule.name,
        "requirement": one.rule.requirement,
        "rows": one.rows,
        "new_rows": one.new_rows,
        "since": None if one.since is None else one.since.isoformat(),
        "batch_id": one.batch_id,
        "owner": one.rule.owner,
    }
    if explained:
        values |= {"description": one.rule.description, "link": one.rule.link, "hint": one.rule.hint}
        values["examples"] = [
            {"key": e.key, "column": e.offending.column, "value": e.offending.value, "is_new": e.is_new}
            for e in one.examples
        ]
    return values


def _print_json(document: list[dict[str, Any]]) -> None:
    print(json.dumps(document, indent=1, ensure_ascii=False))
