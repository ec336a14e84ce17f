"""FORMAT patterns and CONVERT styles: DuckDB returns the text that is documented for T-SQL."""

from __future__ import annotations

from decimal import Context, Decimal
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from midnight.gold_to_serving.tsql.convert_styles import binary_to_text, date_to_text, float_to_text, text_to_binary
from midnight.gold_to_serving.tsql.formats import format_value
from midnight.gold_to_serving.tsql.parse_dates import text_to_date
from midnight.gold_to_serving.tsql.sql_pieces import FormatRefusedError
from midnight.gold_to_serving.tsql.types import (
    BIGINT,
    DATE,
    DATETIME,
    FLOAT,
    INT,
    REAL,
    SMALLINT,
    SqlType,
    datetime2,
    decimal,
    varchar,
)

TIME = SqlType("time", scale=7)
MOMENT = "TIMESTAMP '2024-03-05 15:04:09.120006'"


def value_of(sql: str) -> Any:
    return duckdb.execute(f"SELECT {sql}").fetchall()[0][0]


# dotnet/standard/base-types/{standard,custom}-numeric-format-strings unless noted otherwise
NUMBERS = [
    ("0.256", decimal(4, 3), "P1", "25.6 %"),
    ("1", INT, "P", "100.00 %"),
    ("-0.39678", decimal(6, 5), "P1", "-39.7 %"),
    ("123.456", decimal(6, 3), "C", "$123.46"),
    ("-123.456", decimal(6, 3), "C3", "($123.456)"),
    ("1234", INT, "D", "1234"),
    ("-1234", INT, "D6", "-001234"),
    ("1234.567", decimal(7, 3), "F", "1234.57"),
    ("1234", INT, "F1", "1234.0"),
    ("-1234.56", decimal(6, 2), "F4", "-1234.5600"),
    ("1234.567", decimal(7, 3), "N", "1,234.57"),
    ("1234", INT, "N1", "1,234.0"),
    ("-1234.56", decimal(6, 2), "N3", "-1,234.560"),
    ("-1234.56", decimal(6, 2), "n3", "-1,234.560"),
    ("255", INT, "X", "FF"),
    ("255", INT, "x4", "00ff"),
    ("-1", INT, "X", "FFFFFFFF"),
    ("-1", SMALLINT, "X", "FFFF"),
    ("1.50", decimal(5, 2), "G", "1.50"),
    ("-5", INT, "G", "-5"),
    ("123456789", INT, "###-##-####", "123-45-6789"),  # t-sql/functions/format-transact-sql, example B
    ("5", INT, "###-##-####", "--5"),
    ("123", INT, "00000", "00123"),
    ("1234567", INT, "#,##0", "1,234,567"),
    ("-1234567", INT, "#,##0", "-1,234,567"),
    ("1234567", INT, "0,,.00", "1.23"),
    ("1234567890", INT, "#,##0,,", "1,235"),
    ("0.086", decimal(4, 3), "#0.##%", "8.6%"),
    ("12.3", decimal(4, 1), "0.0\\%", "12.3%"),
    ("5", INT, "000 'kg'", "005 kg"),
    ("-5", INT, "$0.00", "-$5.00"),
    ("1234", INT, "#,##0.00;(#,##0.00)", "1,234.00"),
    ("-1234", INT, "#,##0.00;(#,##0.00)", "(1,234.00)"),
    ("0", INT, "#,##0.00;(#,##0.00);'zero'", "zero"),
    ("-0.2", decimal(3, 1), "0;(0);zero", "zero"),  # rounded to zero: the third section
    ("0", INT, "#", ""),
    ("0.05", decimal(4, 2), "#.##", ".05"),
    ("100", decimal(5, 2), "#.##", "100"),
    ("12.5", decimal(5, 2), ".00", "12.50"),
    ("12345678901234567.89", decimal(20, 2), "N2", "12,345,678,901,234,567.89"),
    ("1.005", decimal(5, 3), "0.00", "1.01"),
    ("2.50", decimal(4, 2), "N0", "3"),
    ("-2.50", decimal(4, 2), "N0", "-3"),
    ("-0.001", decimal(5, 3), "N2", "0.00"),
    ("999.995", decimal(6, 3), "N2", "1,000.00"),
    (str(2**96 - 1), decimal(38, 0), "N0", "79,228,162,514,264,337,593,543,950,335"),
    ("-9223372036854775808", BIGINT, "N0", "-9,223,372,036,854,775,808"),
    ("1.005", FLOAT, "0.00", "1.01"),  # 15 digits are 1.00500000000000
    ("0.1", FLOAT, "0.00000000000000000000", "0.10000000000000000000"),
    ("0.1", REAL, "0.0000000000", "0.1000000000"),
    ("1e25", FLOAT, "N0", "10,000,000,000,000,000,000,000,000"),
    ("-1e-7", FLOAT, "0.00", "0.00"),
    ("NULL", INT, "N2", None),
    ("NULL", decimal(5, 2), "0;(0);-", None),
    ("NULL", FLOAT, "N2", None),
]


@pytest.mark.parametrize(("value", "type_", "pattern", "expected"), NUMBERS)
def test_format_of_numbers(value, type_, pattern, expected):
    literal = value if value == "NULL" else f"'{value}'"
    assert value_of(format_value(f"CAST({literal} AS {type_.duckdb})", type_, pattern)) == expected


@settings(max_examples=50)
@given(
    st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-(10**24), max_value=10**24),
    st.integers(0, 6),
)
def test_n_rounds_half_away_from_zero_and_keeps_every_digit(number, decimals):
    rounded = number.quantize(Decimal(1).scaleb(-decimals), rounding="ROUND_HALF_UP", context=Context(prec=60))
    expected = f"{rounded if rounded else abs(rounded):,.{decimals}f}"
    type_ = decimal(38, 4)
    assert value_of(format_value(f"CAST('{number}' AS {type_.duckdb})", type_, f"N{decimals}")) == expected


def test_more_digits_than_a_net_decimal_are_an_error():
    with pytest.raises(duckdb.Error, match="more digits than FORMAT"):
        value_of(format_value(f"CAST('{'9' * 38}' AS DECIMAL(38,0))", decimal(38, 0), "N0"))


def test_format_of_aggregates_and_in_group_by():
    shown = format_value("amount", decimal(9, 2), "N1")
    total = format_value("sum(amount)", decimal(38, 2), "0.00")
    rows = duckdb.execute(
        f"SELECT {shown}, {total} FROM (VALUES (CAST(1.04 AS DECIMAL(9,2))), (1.01)) AS t (amount) GROUP BY {shown}"
    ).fetchall()
    assert rows == [("1.0", "2.05")]


# dotnet/standard/base-types/{standard,custom}-date-and-time-format-strings
DATES = [
    ("DATE '2020-11-22'", DATE, "d", "11/22/2020"),
    ("DATE '2024-08-09'", DATE, "D", "Friday, August 9, 2024"),  # t-sql/functions/format-transact-sql, example A
    ("DATE '2024-08-09'", DATE, "dd/MM/yyyy", "09/08/2024"),  # example B
    (MOMENT, datetime2(6), "f", "Tuesday, March 5, 2024 3:04 PM"),
    (MOMENT, datetime2(6), "G", "3/5/2024 3:04:09 PM"),
    (MOMENT, datetime2(6), "s", "2024-03-05T15:04:09"),
    (MOMENT, datetime2(6), "u", "2024-03-05 15:04:09Z"),
    (MOMENT, datetime2(6), "Y", "March 2024"),
    (MOMENT, datetime2(6), "o", "2024-03-05T15:04:09.1200060"),
    (MOMENT, datetime2(6), "ddd d MMM yy h:m:s.fff", "Tue 5 Mar 24 3:4:9.120"),
    (MOMENT, datetime2(6), "yyyyMMdd_HHmmss", "20240305_150409"),
    (MOMENT, datetime2(6), "yyyy-mm-dd", "2024-04-05"),  # mm is the minute
    (MOMENT, datetime2(6), "'day' dd \\d%d", "day 05 d5"),
    ("TIMESTAMP '2018-01-01 01:00'", datetime2(7), "hh:mm tt", "01:00 AM"),  # format-transact-sql, example D
    ("TIMESTAMP '2018-01-01 14:00'", datetime2(7), "hh:mm t", "02:00 P"),
    ("TIME '07:35'", TIME, "hh\\.mm", "07.35"),
    ("TIME '07:35:01.5'", TIME, "h\\:mm\\:ss\\.fff", "7:35:01.500"),
    ("NULL", DATE, "yyyy-MM", None),
]


@pytest.mark.parametrize(("value", "type_", "pattern", "expected"), DATES)
def test_format_of_dates(value, type_, pattern, expected):
    assert value_of(format_value(value, type_, pattern)) == expected


REFUSED_FORMATS = [
    (varchar(10), "N2", None, "is an error in T-SQL"),
    (SqlType("bit"), "N2", None, "is an error in T-SQL"),
    (INT, "N2", "de-DE", "culture 'de-DE'"),
    (INT, "", None, "empty pattern"),
    (INT, "Q", None, "pattern 'Q'"),
    (INT, "0.0E+0", None, "'E'"),
    (INT, "'open", None, "without its end"),
    (INT, "0;0;0;0", None, "more than three sections"),
    (decimal(5, 2), "D5", None, "not an integer"),
    (decimal(38, 30), "N2", None, "28 decimals"),
    (FLOAT, "G", None, "pattern 'G'"),
    (DATE, "q", None, "pattern 'q'"),
    (DATE, "yyyy zzz", None, "'zzz'"),
    (DATE, "dd%MM", None, "is not escaped"),  # a '%' precedes one letter
    (TIME, "hh:mm", None, "returns NULL"),  # format-transact-sql, example D
    (TIME, "HH\\:mm", None, "returns NULL"),
]


@pytest.mark.parametrize(("type_", "pattern", "culture", "message"), REFUSED_FORMATS)
def test_unproved_formats_are_refused(type_, pattern, culture, message):
    with pytest.raises(FormatRefusedError, match=message) as caught:
        format_value("x", type_, pattern, culture)
    assert caught.value.hint


def test_culture_en_us_is_the_default():
    assert format_value("x", INT, "N2", "en-us") == format_value("x", INT, "N2")


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
