"""CONVERT styles: DuckDB returns the text or date that is documented for T-SQL."""

from __future__ import annotations

from typing import Any

import duckdb
import pytest

from midnight.gold_to_serving.tsql.convert_styles import binary_to_text, date_to_text, float_to_text, text_to_binary
from midnight.gold_to_serving.tsql.parse_dates import text_to_date
from midnight.gold_to_serving.tsql.sql_pieces import FormatRefusedError
from midnight.gold_to_serving.tsql.types import (
    DATE,
    DATETIME,
    SqlType,
    datetime2,
    varchar,
)

TIME = SqlType("time", scale=7)
MOMENT = "TIMESTAMP '2024-03-05 15:04:09.120006'"


def value_of(sql: str) -> Any:
    return duckdb.execute(f"SELECT {sql}").fetchall()[0][0]


# style -> text of a date, a datetime2(6) and a datetime; t-sql/functions/cast-and-convert-transact-sql
STYLES = {
    None: ("2024-03-05", "2024-03-05 15:04:09.120006", "Mar  5 2024  3:04PM"),
    0: ("Mar  5 2024", "Mar  5 2024  3:04PM", "Mar  5 2024  3:04PM"),
    1: ("03/05/24", "03/05/24", "03/05/24"),
    3: ("05/03/24", "05/03/24", "05/03/24"),
    4: ("05.03.24", "05.03.24", "05.03.24"),
    6: ("05 Mar 24", "05 Mar 24", "05 Mar 24"),
    9: ("Mar  5 2024", None, "Mar  5 2024  3:04:09:120PM"),
    12: ("240305", "240305", "240305"),
    14: (None, None, "15:04:09:120"),
    20: ("2024-03-05", "2024-03-05 15:04:09", "2024-03-05 15:04:09"),
    22: (None, None, None),
    23: ("2024-03-05", "2024-03-05", "2024-03-05"),
    101: ("03/05/2024", "03/05/2024", "03/05/2024"),
    102: ("2024.03.05", "2024.03.05", "2024.03.05"),
    103: ("05/03/2024", "05/03/2024", "05/03/2024"),
    106: ("05 Mar 2024", "05 Mar 2024", "05 Mar 2024"),
    107: ("Mar 05, 2024", "Mar 05, 2024", "Mar 05, 2024"),
    108: (None, "15:04:09", "15:04:09"),
    110: ("03-05-2024", "03-05-2024", "03-05-2024"),
    111: ("2024/03/05", "2024/03/05", "2024/03/05"),
    112: ("20240305", "20240305", "20240305"),
    113: ("05 Mar 2024", None, "05 Mar 2024 15:04:09:120"),
    120: ("2024-03-05", "2024-03-05 15:04:09", "2024-03-05 15:04:09"),
    121: ("2024-03-05", "2024-03-05 15:04:09.120006", "2024-03-05 15:04:09.120"),
    126: ("2024-03-05", None, "2024-03-05T15:04:09.120"),
    130: (None, None, None),
    99: (None, None, None),
}


@pytest.mark.parametrize("style", STYLES)
def test_styles_of_dates(style):
    operands = [("DATE '2024-03-05'", DATE), (MOMENT, datetime2(6)), ("TIMESTAMP '2024-03-05 15:04:09.12'", DATETIME)]
    for (operand, type_), expected in zip(operands, STYLES[style], strict=True):
        if expected is None:
            with pytest.raises(FormatRefusedError, match=rf"CONVERT of {type_.kind}.* with style {style}"):
                date_to_text(operand, type_, style)
        else:
            assert value_of(date_to_text(operand, type_, style)) == expected, type_


def test_a_text_that_ends_before_the_fraction_is_proved_for_more_styles():
    assert value_of(date_to_text(MOMENT, datetime2(6), 126, 19)) == "2024-03-05T15:04:09"
    assert value_of(date_to_text(MOMENT, datetime2(6), 109, 20)) == "Mar  5 2024  3:04:09"
    with pytest.raises(FormatRefusedError, match="style 126"):
        date_to_text(MOMENT, datetime2(6), 126, 20)


def test_styles_of_times_midnight_and_null():
    assert value_of(date_to_text("TIME '15:04:09.12'", TIME, 108)) == "15:04:09"
    assert value_of(date_to_text("TIME '15:04:09.12'", TIME)) == "15:04:09.1200000"
    assert value_of(date_to_text("TIMESTAMP '2024-03-05 00:04:00'", datetime2(0), 100)) == "Mar  5 2024 12:04AM"
    assert value_of(date_to_text("TIMESTAMP '2024-03-05 00:04:00'", datetime2(0), 126)) == "2024-03-05T00:04:00"
    assert value_of(date_to_text("TIMESTAMP '2024-03-05 00:04:00'", DATETIME, 126)) == "2024-03-05T00:04:00"
    assert value_of(date_to_text("CAST(NULL AS DATE)", DATE, 100)) is None


@pytest.mark.parametrize(
    ("number", "style", "expected"),
    [
        ("1234567.891", None, "1.23457e+006"),
        ("0.1", 0, "0.1"),
        ("123456", 0, "123456"),
        ("0.0001", 0, "0.0001"),
        ("0.00001", 0, "1e-005"),
        ("0", 0, "0"),
        ("-0.5", 0, "-0.5"),
        ("1e100", 0, "1e+100"),
        ("1234567.891", 1, "1.2345679e+006"),
        ("1234567.891", 2, "1.234567891000000e+006"),
        ("0.1", 3, "1.0000000000000001e-001"),
        ("NULL", 0, None),
    ],
)
def test_styles_of_floats(number, style, expected):
    assert value_of(float_to_text(number, style)) == expected


def test_a_float_whose_rounding_is_not_documented_is_an_error():
    with pytest.raises(duckdb.Error, match="exactly one half"):
        value_of(float_to_text("1234565"))
    with pytest.raises(duckdb.Error, match="-0 is not proved"):
        value_of(float_to_text("CAST('-0.0' AS DOUBLE)"))
    with pytest.raises(FormatRefusedError, match="style 126"):
        float_to_text("1.5", 126)


def test_styles_of_binary_values():
    assert value_of(binary_to_text("'AB'::BLOB", 1)) == "0x4142"
    assert value_of(binary_to_text(r"'\xFF'::BLOB", 2)) == "FF"
    assert value_of(binary_to_text("'AB'::BLOB")) == "AB"
    with pytest.raises(duckdb.Error):
        value_of(binary_to_text(r"'\xC3\xA9'::BLOB"))  # one byte is one character only in ASCII
    assert value_of(text_to_binary("'0x4142'", varchar(9), 1)) == b"AB"
    assert value_of(text_to_binary("'4a'", varchar(9), 2)) == b"J"
    assert value_of(text_to_binary("'4a4'", varchar(9), 2, strict=False)) is None
    with pytest.raises(duckdb.Error, match="not hexadecimal"):
        value_of(text_to_binary("'4a4'", varchar(9), 2))
    with pytest.raises(FormatRefusedError, match="style 3"):
        binary_to_text("x", 3)


@pytest.mark.parametrize(
    ("text", "target", "style", "expected"),
    [
        ("31/01/2024", DATE, 103, "2024-01-31"),
        (" 1/2/2024 ", DATE, 101, "2024-01-02"),
        ("31.01.2024", DATE, 104, "2024-01-31"),
        ("20240131", DATE, 112, "2024-01-31"),
        ("490131", DATE, 12, "2049-01-31"),  # "two digit year cutoff": 2049
        ("500131", DATE, 12, "1950-01-31"),
        ("2024-01-31 10:00:00", DATE, 120, "2024-01-31"),
        ("2024-01-31 10:00:00.5", DATE, 121, "2024-01-31"),
        ("2024-01-31 25:00:00", DATE, 120, None),
        ("2024-01-31 24:00:00", DATE, 120, None),
        ("2024-01-31 10:60:00", datetime2(0), 120, None),
        ("2024-01-31 10:00:60", datetime2(0), 120, None),
        ("2024-01-31 10:00:00.5", datetime2(3), 121, "2024-01-31 10:00:00.5"),
        ("2024-01-31T10:00:00", datetime2(0), 126, "2024-01-31 10:00:00"),
        ("2024-01-31", datetime2(0), 120, "2024-01-31 00:00:00"),
        ("", DATE, 103, "1900-01-01"),
        ("31/02/2024", DATE, 103, None),
        ("n/a", DATE, 103, None),
        ("12 apples", DATE, 120, None),
        ("0000-01-31", DATE, 23, None),
    ],
)
def test_text_to_date_by_style(text, target, style, expected):
    literal = f"'{text}'"
    lenient, strict = (text_to_date(literal, target, style, strict=strict) for strict in (False, True))
    assert value_of(f"CAST({lenient} AS VARCHAR)") == expected
    if expected is None:
        with pytest.raises(duckdb.Error, match="Conversion failed"):
            value_of(strict)
    else:
        assert value_of(f"CAST({strict} AS VARCHAR)") == expected


def test_text_in_another_form_than_the_style_is_an_error_and_not_null():
    with pytest.raises(duckdb.Error, match="only dd/mm/yyyy is proved, not 31-01-2024"):
        value_of(text_to_date("'31-01-2024'", DATE, 103, strict=False))
    assert value_of(text_to_date("CAST(NULL AS VARCHAR)", DATE, 103)) is None
    with pytest.raises(FormatRefusedError, match="style 130"):
        text_to_date("x", DATE, 130)
