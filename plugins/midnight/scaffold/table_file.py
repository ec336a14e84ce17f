"""The text of a table's file, with a comment for each decision."""

from __future__ import annotations

import re

from midnight.configuration.checks import ForeignKey
from midnight.configuration.columns import Column, can_be_masked
from midnight.configuration_check.json_schemas import modeline
from midnight.scaffold.table_plan import TablePlan
from midnight.scaffold.yaml_text import comment, fields

# Names of columns that usually hold personal data: customer_email, EMailAddress, dob.
PERSONAL = re.compile(
    r"e_?mail|phone|(?<![a-z])mobile|(?<![a-z])fax(?![a-z])|(?<![a-z])iban(?![a-z])|birth|(?<![a-z])dob(?![a-z])|"
    r"(?<![a-z])ssn(?![a-z])|social_?sec|passport|tax_?id|(first|last|middle|full|maiden|family|given)_?name|surname|"
    r"credit_?card|card_?(number|no)(?![a-z])|street|address|(?<![a-z])ip_?addr",
    re.IGNORECASE,
)


def render_table(plan: TablePlan) -> str:
    """Text of ``include/tables/<schema>.<table>.yml``; ``load_configuration`` reads the plan's table from it."""
    table = plan.table
    lines = [modeline("table", "tables"), *(line for text in plan.header for line in comment(text))]
    lines += ["# Written by `make init`; edit freely. docs/configuration.md describes every field.", ""]
    lines += fields(
        [
            ("schema", table.schema_name),
            ("table", table.table),
            ("silver", table.silver),
            ("group", table.group),
            ("mode", table.mode),
        ]
    )
    lines += comment(plan.mode_comment)
    lines += fields([("description", table.description or None)])
    lines += [*comment(plan.key_comment), *fields([("key", table.key)])]
    if table.order_by:
        lines += [
            *comment("Of several rows with one key, the first in this order stays."),
            *fields([("order_by", table.order_by)]),
        ]
    if not table.key:
        lines += [
            *comment("keep: identical rows all stay; drop keeps one of them."),
            *fields([("duplicates", table.duplicates)]),
        ]
    if table.new_columns != "include":
        lines += fields([("new_columns", table.new_columns)])
    lines += ["", "columns:"]
    for column in table.columns:
        lines += _column(column, plan)
    checks = [check for check in table.checks if isinstance(check, ForeignKey)]
    if checks or plan.unwritten_checks:
        lines.append("")
    lines += [line for text in plan.unwritten_checks.values() for line in comment(text)]
    if checks:
        lines += [*comment(_CHECKS_COMMENT), "checks:"]
    for check in checks:
        lines += fields(
            [
                ("rule", check.rule),
                ("name", check.name or None),
                ("columns", check.columns),
                ("table", check.table),
                ("references", check.references),
                ("on_failure", check.on_failure),
                ("description", check.description or None),
            ],
            2,
            item=True,
        )
    return "\n".join(lines) + "\n"


_CHECKS_COMMENT = (
    "The source enforces these foreign keys, so they fail only for rows whose referenced row is in quarantine. warn "
    "counts such rows and keeps them; quarantine keeps them out of silver."
)


def _column(column: Column, plan: TablePlan) -> list[str]:
    above = [line for text in plan.column_comments.get(column.name, ()) for line in comment(text, 2)]
    lines = fields(
        [
            ("name", column.name),
            ("source", column.source),
            ("type", column.type),
            ("bronze_type", None if column.on_unrepresentable == "text" else column.bronze_type),
            ("on_unrepresentable", None if column.on_unrepresentable == "fail" else column.on_unrepresentable),
            ("null_values", column.null_values),
            ("trim", None if column.trim else False),
            ("description", column.description or None),
        ],
        2,
        item=True,
    )
    if PERSONAL.search(column.name) and can_be_masked(column):
        lines.append(
            "    # mask: pseudonym  # may be personal data; silver then holds a keyed digest (docs/masking.md)"
        )
    share = plan.null_shares.get(column.name)
    if share is not None:
        lines.insert(2 if column.source is None else 3, f"    nulls: keep  # {share}")
    return [*above, *lines]
