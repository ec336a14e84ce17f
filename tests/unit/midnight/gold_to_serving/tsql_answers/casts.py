"""CAST between numbers, BIT, dates and times."""

from __future__ import annotations

from datetime import date, datetime, time

from tests.unit.midnight.gold_to_serving.tsql_answers.corpus import ERROR, UNPROVED, Construct, D, construct

CAST = "t-sql/functions/cast-and-convert-transact-sql"
INTS = "t-sql/data-types/int-bigint-smallint-and-tinyint-transact-sql"

CONSTRUCTS: list[Construct] = [
    construct(
        "CAST decimal AS INT",
        f"{CAST}#truncating-and-rounding-results",
        ("CAST(d AS INT)", [2, -2, 0, None, 9999], "int"),
        ("CAST(m AS INT)", [19, 0, 0, None, 99999999], "int"),
        ("CONVERT(INT, d)", [2, -2, 0, None, 9999], "int"),
        table="numbers",
    ),
    construct(
        "CAST decimal AS BIGINT",
        f"{CAST}#truncating-and-rounding-results",
        ("CAST(d AS BIGINT)", [2, -2, 0, None, 9999], "bigint"),
        table="numbers",
    ),
    construct(
        "CAST decimal AS SMALLINT",
        f"{CAST}#truncating-and-rounding-results",
        ("CAST(d AS SMALLINT)", [2, -2, 0, None, 9999], "smallint"),
        ("CAST(m AS SMALLINT)", ERROR),
        table="numbers",
    ),
    construct(
        "CAST float AS INT",
        f"{CAST}#truncating-and-rounding-results",
        ("CAST(CASE WHEN f < 1e9 THEN f END AS INT)", [1234567, 0, 0, None, None], "int"),
        ("CAST(f AS INT)", ERROR),
        ("CAST(-1.9e0 AS INT)", [-1] * 5, "int"),
        table="numbers",
    ),
    construct(
        "CAST float AS BIGINT",
        f"{CAST}#truncating-and-rounding-results",
        ("CAST(f AS BIGINT)", [1234567, 0, 0, None, 10**15], "bigint"),
        table="numbers",
    ),
    construct(
        "CAST decimal AS DECIMAL",
        f"{CAST}#truncating-and-rounding-results",
        ("CAST(d AS DECIMAL(8,1))", [D("2.8"), D("-2.8"), D("0.5"), None, D("10000.0")], "decimal(8,1)"),
        ("CAST(10.3496847 AS DECIMAL(4,2))", [D("10.35")] * 5, "decimal(4,2)"),
        ("CAST(-0.05 AS DECIMAL(3,1))", [D("-0.1")] * 5),
        ("CAST(d AS DECIMAL(4,1))", ERROR),
        ("CAST(d AS DECIMAL)", [D(3), D(-3), D(1), None, D(10000)], "decimal(18,0)"),
        table="numbers",
    ),
    construct(
        "CAST integer AS DECIMAL",
        "t-sql/data-types/decimal-and-numeric-transact-sql",
        ("CAST(i AS DECIMAL(12,2))", [D("7.00"), D("-7.00"), D("0.00"), None, D("2147483647.00")], "decimal(12,2)"),
        ("CAST(1000 AS DECIMAL(5,2))", ERROR),
        ("CAST(999 AS NUMERIC(5,2))", [D("999.00")] * 5, "decimal(5,2)"),
        table="numbers",
    ),
    construct(
        "CAST integer AS integer",
        INTS,
        ("CAST(s AS INT)", [5, -5, 0, None, 32767], "int"),
        ("CAST(i AS BIGINT)", [7, -7, 0, None, 2147483647], "bigint"),
        ("CAST(n AS INT)", ERROR),
        ("CAST(300 AS TINYINT)", ERROR),
        ("CAST(-1 AS TINYINT)", ERROR),
        ("CAST(255 AS TINYINT)", [255] * 5, "tinyint"),
        ("CAST(32768 AS SMALLINT)", ERROR),
        ("CAST(2147483648 AS INT)", ERROR),
        table="numbers",
    ),
    construct(
        "CAST integer AS FLOAT",
        "t-sql/data-types/float-and-real-transact-sql",
        ("CAST(i AS FLOAT)", [7.0, -7.0, 0.0, None, 2147483647.0], "float"),
        ("CAST(i AS FLOAT(53)) / 2", [3.5, -3.5, 0.0, None, 1073741823.5], "float"),
        table="numbers",
    ),
    construct(
        "CAST decimal AS FLOAT",
        "t-sql/data-types/float-and-real-transact-sql",
        ("CAST(d AS FLOAT)", [2.75, -2.75, 0.5, None, 9999.9999], "float"),
        table="numbers",
    ),
    construct(
        "CAST float AS DECIMAL",
        "t-sql/data-types/float-and-real-transact-sql",
        ("CAST(f AS DECIMAL(20,2))", [D("1234567.89"), D("-0.50"), D("0.10"), None, D("1000000000000000.00")]),
        ("CAST(123456789012345680e0 AS DECIMAL(38,4))", [D("123456789012345680.0000")] * 5, "decimal(38,4)"),
        ("CAST(f AS DECIMAL(9,2))", ERROR),
        ("CAST(2.675e0 AS DECIMAL(5,2))", UNPROVED),  # 2.67499999999999982
        ("CAST(2.625e0 AS DECIMAL(5,2))", [D("2.63")] * 5),  # exactly
        ("CAST(1e-30 AS DECIMAL(9,2))", [D("0.00")] * 5),
        ("TRY_CAST(1e300 AS DECIMAL(9,2))", [None] * 5),
        table="numbers",
    ),
    construct(
        "CAST AS REAL",
        "t-sql/data-types/float-and-real-transact-sql",
        ("CAST(0.1 AS REAL)", 0.10000000149011612, "real"),
        ("CAST(0.1 AS FLOAT(24))", 0.10000000149011612, "real"),
    ),
    construct(
        "CAST AS BIT",
        "t-sql/data-types/bit-transact-sql",
        ("CAST(i AS BIT)", [1, 1, 0, None, 1], "bit"),
        ("CAST(0.5 AS BIT)", [1] * 5, "bit"),
        ("CAST('TRUE' AS BIT)", [1] * 5, "bit"),
        ("CAST('False' AS BIT)", [0] * 5, "bit"),
        ("CAST('maybe' AS BIT)", ERROR),
        table="numbers",
    ),
    construct(
        "CAST bit AS INT",
        "t-sql/data-types/bit-transact-sql",
        ("CAST(b AS INT)", [1, 0, None, None, 1], "int"),
        ("CAST(b AS DECIMAL(3,1))", [D("1.0"), D("0.0"), None, None, D("1.0")]),
        table="numbers",
    ),
    construct(
        "CAST datetime2 AS DATE",
        "t-sql/data-types/date-transact-sql",
        ("CAST(at AS DATE)", [date(2024, 2, 29), date(2023, 12, 31), None, date(1900, 1, 1)], "date"),
        table="moments",
    ),
    construct(
        "CAST datetime2 AS DATETIME2(n)",
        "t-sql/data-types/datetime2-transact-sql",
        (
            "CAST(at AS DATETIME2(0))",
            [datetime(2024, 3, 1), datetime(2023, 12, 31), None, datetime(1900, 1, 1, 12, 30, 16)],
            "datetime2(0)",
        ),
        (
            "CAST(at AS DATETIME2(3))",
            [datetime(2024, 3, 1), datetime(2023, 12, 31), None, datetime(1900, 1, 1, 12, 30, 15, 500000)],
            "datetime2(3)",
        ),
        table="moments",
    ),
    construct(
        "CAST date AS DATETIME2",
        "t-sql/data-types/datetime2-transact-sql",
        (
            "CAST(day AS DATETIME2(0))",
            [datetime(2024, 2, 29), datetime(2023, 12, 31), None, datetime(1900, 1, 1)],
            "datetime2(0)",
        ),
        ("CAST(id AS DATE)", ERROR),
        table="moments",
    ),
    construct(
        "CAST AS TIME",
        "t-sql/data-types/time-transact-sql",
        ("CAST(CAST('2024-01-05 07:08:09.5' AS DATETIME2(6)) AS TIME(6))", time(7, 8, 9, 500000), "time(6)"),
        ("CAST('07:08' AS TIME(0))", time(7, 8), "time(0)"),
        ("CAST('25:00' AS TIME(0))", ERROR),
    ),
]
