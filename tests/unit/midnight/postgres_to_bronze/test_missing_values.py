"""What rows show that were there before a column, as far as the catalogue tells it."""

from __future__ import annotations

import pytest

from midnight.column_types import stored_type
from midnight.configuration.columns import Column
from midnight.postgres_to_bronze.catalogue import CatalogueColumn
from midnight.postgres_to_bronze.missing_values import missing_value


def added(kind: str, missing: str | None, *, category: str = "N", **more: object) -> tuple[str | None, bool]:
    """The missing value of a column of a type, with what PostgreSQL keeps for old rows."""
    options = {name: more[name] for name in ("generated", "identity") if name in more}
    options |= {"has_missing": missing is not None, "missing": missing}
    actual = CatalogueColumn("c", 2, kind, kind, category, False, **options)
    fields = {name: more[name] for name in ("mask", "bronze_type") if name in more}
    column = Column.model_validate({"name": "c", "type": kind, **fields})
    return missing_value(column, actual, stored_type(kind, column.bronze_type))


UNKNOWN = (None, True)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("integer", "-7"),
        ("numeric(6,2)", "1234.50"),
        ("numeric", "12345678901234567890.123456789012345678"),
        ("boolean", "true"),
        ("date", "2024-02-29"),
        ("timestamp without time zone", "2024-02-29T23:59:59.123456"),
        ("timestamp with time zone", "2024-02-29T23:59:59+00:00"),
        ("text", "it's \u00fc"),
        ("character varying(10)", ""),
        ("double precision", "0.1"),
        ("uuid", "0d6c5e0a-5f0e-4d0c-9a5b-3c1f5f3f9d11"),
    ],
)
def test_constant_defaults_that_bronze_holds_exactly(kind: str, text: str) -> None:
    assert added(kind, text) == (text, False)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("numeric", "NaN"),
        ("numeric", "1e-19"),
        ("numeric", "123456789012345678901"),
        ("date", "infinity"),
        ("date", "0044-03-15 BC"),
        ("timestamp with time zone", "-infinity"),
        ("double precision", "NaN"),
        ("money", "$1.00"),
        ("bytea", "\\x00"),
        ("interval", "P1D"),
        ("jsonb", "x"),
        ("integer[]", "1"),
        ("numrange", "[1,2)"),
    ],
)
def test_other_values_are_left_to_a_read(kind: str, text: str) -> None:
    assert added(kind, text) == UNKNOWN


def test_columns_without_a_default_and_columns_that_are_computed() -> None:
    assert added("integer", None) == (None, False)
    assert added("integer", None, generated=True) == added("integer", "7", identity=True) == UNKNOWN
    assert added("shop.mood", "fine", category="E") == ("fine", False)


def test_no_value_of_a_masked_or_converted_column_is_kept() -> None:
    assert added("text", "secret", mask="pseudonym") == UNKNOWN
    assert added("integer", "7", bronze_type="text") == UNKNOWN
