"""FORMAT patterns: DuckDB returns the text that is documented for T-SQL."""

from __future__ import annotations

from decimal import Context, Decimal
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from midnight.gold_to_serving.tsql.formats import format_value
from midnight.gold_to_serving.tsql.sql_pieces import FormatRefusedError
from midnight.gold_to_serving.tsql.types import (
    BIGINT,
    DATE,
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
