"""What the source computes to be compared with bronze: the canonical form of each column of a table."""

from __future__ import annotations

from midnight.column_types import base_name
from midnight.postgres_to_bronze.copy_columns import ColumnPlan
from midnight.postgres_to_bronze.table_plan import TablePlan
from midnight.reconciliation.canonical_values import Form
from midnight.reconciliation.source_forms import DigestColumn
from midnight.sql_text import quote_identifier

# Stored type -> form and SQL. Moments count from 1970, while COPY counts from 2000: an error in one of the two is a
# difference. What a cast would round, COPY has refused.
FORMS: dict[str, tuple[Form, str]] = {
    "smallint": ("integer", "({})::bigint"),
    "integer": ("integer", "({})::bigint"),
    "bigint": ("integer", "({})::bigint"),
    "boolean": ("integer", "({})::integer::bigint"),
    "date": ("integer", "(({}) - '1970-01-01'::date)::bigint"),
    "timestamp without time zone": ("integer", "(({}) - '1970-01-01 00:00:00'::timestamp)"),
    "timestamp with time zone": ("integer", "(({}) - '1970-01-01 00:00:00+00'::timestamptz)"),
    "real": ("float", "({})::double precision"),
    "double precision": ("float", "({})::double precision"),
    "numeric": ("numeric", "({})::numeric"),
    "bytea": ("bytes", "({})::bytea"),
}
_CHEAP_TEXTS = ("text", "character varying", "name", "citext", "json")
_SHOWN_CHARACTERS = 100


def digest_columns(plan: TablePlan) -> tuple[DigestColumn, ...]:
    """The columns of a table in the order of its file."""
    return tuple(_digest_column(column) for column in plan.columns)


def digest_key(plan: TablePlan, columns: tuple[DigestColumn, ...]) -> tuple[tuple[DigestColumn, ...], bool]:
    """The columns of ``columns`` that identify a row, and whether the source keeps them unique and not null.

    Of several keys, one of integers, which cost nothing to hash. Without one that the source guarantees, as of views
    and of tables with heirs, it is the configured key.
    """
    by_name = {column.name: column for column in columns}
    sources = {c.bronze.source: by_name[c.bronze.name] for c in plan.columns if c.bronze.name in by_name}
    keys = [key for key in plan.catalogue.guaranteed_keys if set(key) <= set(sources)]
    if keys:
        found = [tuple(sources[name] for name in key) for key in keys]
        return min(found, key=lambda key: (sum(column.form != "integer" for column in key), len(key))), True
    return tuple(column for column in columns if column.name in plan.table.key), False


def _digest_column(column: ColumnPlan) -> DigestColumn:
    identifier, stored_as = quote_identifier(column.bronze.source), column.bronze.stored_as
    form, value, template = _form(column, identifier)
    expression = template.format(value)
    is_plain = column.expression == identifier and value == identifier
    return DigestColumn(
        name=column.bronze.name,
        identifier=identifier,
        form=form,
        expression=expression,
        shown=f"left(({expression if form == 'text' else column.expression})::text, {_SHOWN_CHARACTERS})",
        span=stored_as.startswith("timestamp"),
        plain=is_plain,
        masked=column.masked,
        template=template,
        summed=_summed(column, identifier, form, expression),
        ordered=form in ("integer", "numeric", "float") and stored_as != "boolean",
    )


def _summed(column: ColumnPlan, identifier: str, form: Form, expression: str) -> str:
    if column.bronze.stored_as == "boolean":
        return f"count(*) FILTER (WHERE {column.expression})"
    if column.expression == identifier and column.wire in ("int2", "int4", "int8", "numeric"):
        return f"sum({identifier})"
    is_number = form in ("integer", "numeric") and not column.bronze.stored_as.startswith("timestamp")
    return f"sum({expression})" if is_number else ""


def _form(column: ColumnPlan, identifier: str) -> tuple[Form, str, str]:
    """The form, the SQL of the value, and the template that makes the canonical form of it."""
    stored_as, is_plain = column.bronze.stored_as, column.expression == identifier
    if stored_as != "text":
        form, template = FORMS["numeric" if stored_as.startswith("numeric") else stored_as]
        return form, _number(column), template
    if is_plain and base_name(column.bronze.postgres_type) not in _CHEAP_TEXTS:
        # "character": a cast to text removes the blanks at the end.
        return "text", f"textin(bpcharout({identifier}))", "{}"
    return "text", column.expression, "({})::text"


def _number(column: ColumnPlan) -> str:
    """The number, before COPY makes a text of it where bronze has another type."""
    return column.expression.removesuffix("::text") if column.wire == "number text" else column.expression
