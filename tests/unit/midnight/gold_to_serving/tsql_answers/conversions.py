"""TRY_CAST, TRY_CONVERT, and CONVERT with a style."""

from __future__ import annotations

from datetime import date, datetime

from tests.unit.midnight.gold_to_serving.tsql_answers.corpus import ERROR, Construct, D, construct

CAST = "t-sql/functions/cast-and-convert-transact-sql"
TRY = "t-sql/functions/try-cast-transact-sql"

CONSTRUCTS: list[Construct] = [
    construct(
        "TRY_CAST AS INT",
        TRY,
        ("TRY_CAST('test' AS INT)", None, "int"),
        ("TRY_CAST('12' AS INT)", 12),
        ("TRY_CAST('1.5' AS INT)", None),
        ("TRY_CAST('' AS INT)", 0),
        ("TRY_CAST('2147483648' AS INT)", None),
        ("TRY_CAST(2147483648 AS INT)", None),
        ("TRY_CAST(2.9 AS INT)", 2),
        ("TRY_CAST('0x1F' AS INT)", None),
        ("TRY_CAST('true' AS INT)", None),
        ("TRY_CAST('1_000' AS INT)", None),
    ),
    construct(
        "TRY_CAST text column AS INT",
        TRY,
        ("TRY_CAST(t AS INT)", [None, 0, None, None, None, None, 12], "int"),
        table="texts",
    ),
    construct(
        "TRY_CAST AS DECIMAL",
        TRY,
        ("TRY_CAST('12.345' AS DECIMAL(5,2))", D("12.35"), "decimal(5,2)"),
        ("TRY_CAST('1000' AS DECIMAL(5,2))", None),
        ("TRY_CAST('x' AS DECIMAL(5,2))", None),
        ("TRY_CAST('' AS DECIMAL(5,2))", None),
        ("TRY_CAST('1e2' AS DECIMAL(5,2))", None),
        ("TRY_CAST(1000.5 AS DECIMAL(5,2))", None),
    ),
    construct(
        "TRY_CAST AS FLOAT",
        TRY,
        ("TRY_CAST('1e2' AS FLOAT)", 100.0, "float"),
        ("TRY_CAST('x' AS FLOAT)", None),
        ("TRY_CAST('nan' AS FLOAT)", None),
        ("TRY_CAST('infinity' AS FLOAT)", None),
    ),
    construct(
        "TRY_CAST AS DATE",
        TRY,
        ("TRY_CAST('12/31/2022x' AS DATE)", None, "date"),
        ("TRY_CAST('20240131' AS DATE)", date(2024, 1, 31)),
        ("TRY_CAST('2024-01-31' AS DATE)", date(2024, 1, 31)),
        ("TRY_CAST('2024-02-30' AS DATE)", None),
        ("TRY_CAST('hello' AS DATE)", None),
        ("TRY_CAST(CAST(NULL AS VARCHAR(10)) AS DATE)", None),
        ("TRY_CAST('infinity' AS DATE)", None),
        ("TRY_CAST('epoch' AS DATE)", None),
    ),
    construct(
        "TRY_CAST AS DATETIME2",
        TRY,
        ("TRY_CAST('2024-01-31 10:11:12' AS DATETIME2(0))", datetime(2024, 1, 31, 10, 11, 12), "datetime2(0)"),
        ("TRY_CAST('2024-01-31 25:11:12' AS DATETIME2(0))", None),
        ("TRY_CAST('hello' AS DATETIME2(0))", None),
    ),
    construct(
        "TRY_CAST AS VARCHAR",
        TRY,
        ("TRY_CAST('abcdef' AS VARCHAR(2))", "ab", "varchar(2)"),
        ("TRY_CAST(12345 AS VARCHAR(10))", "12345"),
    ),
    construct(
        "TRY_CONVERT",
        "t-sql/functions/try-convert-transact-sql",
        ("TRY_CONVERT(FLOAT, 'test')", None, "float"),
        ("TRY_CONVERT(INT, '12')", 12, "int"),
        ("TRY_CONVERT(VARCHAR(2), 'abc')", "ab"),
        ("TRY_CONVERT(DATE, '31/01/2024', 103)", date(2024, 1, 31), "date"),
        ("TRY_CONVERT(DATE, '31/13/2024', 103)", None),
        ("TRY_CONVERT(DATE, '20240131', 112)", date(2024, 1, 31)),
    ),
    construct(
        "CONVERT text to date by style",
        f"{CAST}#date-and-time-styles",
        ("CONVERT(DATE, '01/31/2024', 101)", date(2024, 1, 31), "date"),
        ("CONVERT(DATE, '31.01.2024', 104)", date(2024, 1, 31)),
        ("CONVERT(DATE, '2024-01-31', 23)", date(2024, 1, 31)),
        ("CONVERT(DATE, '31/31/2024', 103)", ERROR),
        ("CONVERT(DATETIME2(0), '2024-01-31 10:11:12', 120)", datetime(2024, 1, 31, 10, 11, 12), "datetime2(0)"),
    ),
    construct(
        "CONVERT date by style",
        f"{CAST}#date-and-time-styles",
        ("CONVERT(VARCHAR(6), day, 112)", ["202402", "202312", None, "190001"], "varchar(6)"),
        ("CONVERT(CHAR(8), day, 112)", ["20240229", "20231231", None, "19000101"], "char(8)"),
        ("CONVERT(VARCHAR(10), day, 101)", ["02/29/2024", "12/31/2023", None, "01/01/1900"]),
        ("CONVERT(VARCHAR(10), day, 103)", ["29/02/2024", "31/12/2023", None, "01/01/1900"]),
        ("CONVERT(VARCHAR(10), day, 104)", ["29.02.2024", "31.12.2023", None, "01.01.1900"]),
        ("CONVERT(VARCHAR(10), day, 23)", ["2024-02-29", "2023-12-31", None, "1900-01-01"]),
        ("CONVERT(VARCHAR(10), day, 111)", ["2024/02/29", "2023/12/31", None, "1900/01/01"]),
        ("CONVERT(VARCHAR(20), day, 106)", ["29 Feb 2024", "31 Dec 2023", None, "01 Jan 1900"]),
        ("CONVERT(VARCHAR(20), day, 107)", ["Feb 29, 2024", "Dec 31, 2023", None, "Jan 01, 1900"]),
        ("CONVERT(VARCHAR(8), day, 1)", ["02/29/24", "12/31/23", None, "01/01/00"]),
        ("CONVERT(VARCHAR(20), day, 100)", ["Feb 29 2024", "Dec 31 2023", None, "Jan  1 1900"]),
        ("CONVERT(VARCHAR(10), day, 108)", ERROR),
        table="moments",
    ),
    construct(
        "CONVERT datetime2 by style",
        f"{CAST}#date-and-time-styles",
        (
            "CONVERT(VARCHAR(19), at, 120)",
            ["2024-02-29 23:59:59", "2023-12-31 00:00:00", None, "1900-01-01 12:30:15"],
        ),
        ("CONVERT(VARCHAR(10), at, 120)", ["2024-02-29", "2023-12-31", None, "1900-01-01"]),
        ("CONVERT(CHAR(7), at, 120)", ["2024-02", "2023-12", None, "1900-01"], "char(7)"),
        ("CONVERT(VARCHAR(8), at, 108)", ["23:59:59", "00:00:00", None, "12:30:15"]),
        ("CONVERT(VARCHAR(5), at, 108)", ["23:59", "00:00", None, "12:30"]),
        (
            "CONVERT(VARCHAR(30), at, 100)",
            ["Feb 29 2024 11:59PM", "Dec 31 2023 12:00AM", None, "Jan  1 1900 12:30PM"],
        ),
        (
            "CONVERT(VARCHAR(19), at, 126)",
            ["2024-02-29T23:59:59", "2023-12-31T00:00:00", None, "1900-01-01T12:30:15"],
        ),
        ("CONVERT(VARCHAR(8), at, 114)", ["23:59:59", "00:00:00", None, "12:30:15"]),
        (
            "CONVERT(VARCHAR(17), at, 113)",
            ["29 Feb 2024 23:59", "31 Dec 2023 00:00", None, "01 Jan 1900 12:30"],
        ),
        (
            "CONVERT(VARCHAR(23), at, 121)",
            ["2024-02-29 23:59:59.999", "2023-12-31 00:00:00.000", None, "1900-01-01 12:30:15.500"],
        ),
        table="moments",
    ),
    construct(
        "PARSE and TRY_PARSE",
        "t-sql/functions/try-parse-transact-sql",
        ("TRY_PARSE('345,98' AS DECIMAL(5,2) USING 'de-DE')", D("345.98")),
        ("PARSE('2024-01-31' AS DATE)", date(2024, 1, 31)),
    ),
]
