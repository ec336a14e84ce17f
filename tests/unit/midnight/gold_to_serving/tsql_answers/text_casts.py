"""CAST to and from texts."""

from __future__ import annotations

from datetime import date, datetime

from tests.unit.midnight.gold_to_serving.tsql_answers.corpus import ERROR, UNPROVED, Construct, D, construct

CAST = "t-sql/functions/cast-and-convert-transact-sql"
INTS = "t-sql/data-types/int-bigint-smallint-and-tinyint-transact-sql"

CONSTRUCTS: list[Construct] = [
    construct(
        "CAST bit AS VARCHAR",
        "t-sql/data-types/bit-transact-sql",
        ("CAST(b AS VARCHAR(5))", ["1", "0", None, None, "1"], "varchar(5)"),
        ("CONVERT(VARCHAR(5), b)", ["1", "0", None, None, "1"]),
        table="numbers",
    ),
    construct(
        "CAST integer AS VARCHAR",
        f"{CAST}#truncating-and-rounding-results",
        ("CAST(i AS VARCHAR(11))", ["7", "-7", "0", None, "2147483647"], "varchar(11)"),
        ("CAST(123 AS VARCHAR(2))", ["*"] * 5),  # "*": result length too short
        ("CAST(i AS VARCHAR)", ["7", "-7", "0", None, "2147483647"], "varchar(30)"),
        ("CAST(123 AS NVARCHAR(2))", ERROR),
        ("CAST(7 AS CHAR(3))", ["7  "] * 5, "char(3)"),
        table="numbers",
    ),
    construct(
        "CAST decimal AS VARCHAR",
        CAST,
        ("CAST(d AS VARCHAR(12))", ["2.7500", "-2.7500", "0.5000", None, "9999.9999"]),
        ("CAST(m AS VARCHAR(12))", ["19.99", "-0.05", "0.00", None, "99999999.99"]),
        ("CAST(123.45 AS VARCHAR(3))", ERROR),  # "E": error
        ("CAST(0.50 AS VARCHAR(10))", ["0.50"] * 5),
        table="numbers",
    ),
    construct(
        "CAST float AS VARCHAR",
        f"{CAST}#float-and-real-styles",
        ("CAST(f AS VARCHAR(30))", ["1.23457e+006", "-0.5", "0.1", None, "1e+015"]),
        ("CONVERT(VARCHAR(30), f, 1)", ["1.2345679e+006", "-5.0000000e-001", "1.0000000e-001", None, "1.0000000e+015"]),
        ("CONVERT(VARCHAR(30), 0.00001e0)", ["1e-005"] * 5),
        ("CAST(1234565e0 AS VARCHAR(30))", UNPROVED),
        ("CAST(0e0 * -1 AS VARCHAR(30))", UNPROVED),
        table="numbers",
    ),
    construct(
        "CAST text AS VARCHAR(n)",
        f"{CAST}#truncating-and-rounding-results",
        ("CAST(t AS VARCHAR(2))", ["ab", "", "ab", None, "Gr", " x", "12"], "varchar(2)"),
        ("CONVERT(VARCHAR(3), 'abcdef')", ["abc"] * 7, "varchar(3)"),
        ("CAST(REPLICATE('x', 40) AS VARCHAR)", ["x" * 30] * 7, "varchar(30)"),
        table="texts",
    ),
    construct(
        "CAST text AS CHAR(n)",
        "t-sql/data-types/char-and-varchar-transact-sql",
        ("CAST('ab' AS CHAR(4)) + '|'", "ab  |"),
        ("CAST('abcdef' AS CHAR(4)) + '|'", "abcd|"),
        ("DATALENGTH(CAST('ab' AS CHAR(4)))", 4),
    ),
    construct(
        "CAST text AS NVARCHAR(n)",
        "t-sql/data-types/nchar-and-nvarchar-transact-sql",
        ("CAST('Größe' AS NVARCHAR(3))", "Grö", "nvarchar(3)"),
    ),
    construct(
        "CAST text AS INT",
        INTS,
        ("CAST('12' AS INT)", 12, "int"),
        ("CAST(' 12 ' AS INT)", 12),
        ("CAST('-12' AS INT)", -12),
        ("CAST('+12' AS INT)", 12),
        ("CAST('' AS INT)", 0),
        ("CAST('ab' AS INT)", ERROR),
        ("CAST('1.5' AS INT)", ERROR),
        ("CAST('1e3' AS INT)", ERROR),
        ("CAST('2147483648' AS INT)", ERROR),
        ("CONVERT(INT, 'ab')", ERROR),
    ),
    construct(
        "CAST text AS DECIMAL",
        "t-sql/data-types/decimal-and-numeric-transact-sql",
        ("CAST('12.345' AS DECIMAL(5,2))", D("12.35"), "decimal(5,2)"),
        ("CAST('-12.345' AS DECIMAL(5,2))", D("-12.35")),
        ("CAST(' 7 ' AS DECIMAL(5,2))", D("7.00")),
        ("CAST('' AS DECIMAL(5,2))", ERROR),
        ("CAST('1e3' AS DECIMAL(9,2))", ERROR),
        ("CAST('1000' AS DECIMAL(5,2))", ERROR),
        ("CAST('12a' AS DECIMAL(5,2))", ERROR),
    ),
    construct(
        "CAST text AS FLOAT",
        "t-sql/data-types/float-and-real-transact-sql",
        ("CAST('1.5' AS FLOAT)", 1.5, "float"),
        ("CAST('1e3' AS FLOAT)", 1000.0),
        ("CAST('x' AS FLOAT)", ERROR),
        ("CAST('nan' AS FLOAT)", ERROR),
        ("CAST('inf' AS FLOAT)", ERROR),
    ),
    construct(
        "CAST text AS DATE",
        "t-sql/data-types/date-transact-sql",
        ("CAST('2024-02-29' AS DATE)", date(2024, 2, 29), "date"),
        ("CAST('20240229' AS DATE)", date(2024, 2, 29)),
        ("CAST('2023-02-29' AS DATE)", ERROR),
        ("CAST('abc' AS DATE)", ERROR),
        ("CAST('' AS DATE)", date(1900, 1, 1)),
        ("CAST('2024-02-29 12:34:56' AS DATE)", date(2024, 2, 29)),
    ),
    construct(
        "CAST text AS DATETIME2",
        "t-sql/data-types/datetime2-transact-sql",
        ("CAST('2024-02-29 12:34:56.789' AS DATETIME2(3))", datetime(2024, 2, 29, 12, 34, 56, 789000), "datetime2(3)"),
        ("CAST('2024-02-29T12:34:56' AS DATETIME2(0))", datetime(2024, 2, 29, 12, 34, 56), "datetime2(0)"),
        ("CAST('2024-02-29' AS DATETIME2(6))", datetime(2024, 2, 29), "datetime2(6)"),
        ("CAST('2024-02-29 12:34:56.6' AS DATETIME2(0))", datetime(2024, 2, 29, 12, 34, 57)),
        ("CAST('2024-02-30' AS DATETIME2(0))", ERROR),
        ("CAST('9999-12-31 23:59:59.9' AS DATETIME2(0))", UNPROVED),
    ),
    construct(
        "CAST date AS VARCHAR",
        f"{CAST}#date-and-time-styles",
        ("CAST(day AS VARCHAR(10))", ["2024-02-29", "2023-12-31", None, "1900-01-01"], "varchar(10)"),
        ("CAST(day AS VARCHAR(7))", ["2024-02", "2023-12", None, "1900-01"]),
        table="moments",
    ),
    construct(
        "CAST datetime2 AS VARCHAR",
        f"{CAST}#date-and-time-styles",
        (
            "CAST(at AS VARCHAR(30))",
            ["2024-02-29 23:59:59.999999", "2023-12-31 00:00:00.000000", None, "1900-01-01 12:30:15.500000"],
        ),
        ("CAST(at AS VARCHAR(10))", ["2024-02-29", "2023-12-31", None, "1900-01-01"]),
        table="moments",
    ),
    construct(
        "CAST AS UNIQUEIDENTIFIER",
        "t-sql/data-types/uniqueidentifier-transact-sql",
        (
            "CAST(CAST('6f9619ff-8b86-d011-b42d-00c04fc964ff' AS UNIQUEIDENTIFIER) AS VARCHAR(36))",
            "6F9619FF-8B86-D011-B42D-00C04FC964FF",
        ),
        ("CAST('xyz' AS UNIQUEIDENTIFIER)", ERROR),
        ("TRY_CAST('xyz' AS UNIQUEIDENTIFIER)", None),
    ),
    construct(
        "CAST AS VARBINARY",
        f"{CAST}#binary-styles",
        ("CONVERT(VARCHAR(20), CAST('abc' AS VARBINARY(8)), 1)", "0x616263"),
        ("CONVERT(VARCHAR(20), CAST('abc' AS VARBINARY(8)), 2)", "616263"),
        ("CONVERT(VARCHAR(20), CONVERT(VARBINARY(8), '0x4E61', 1))", "Na"),
        ("CONVERT(VARCHAR(20), CAST('abc' AS VARBINARY(2)), 2)", "6162"),
        ("DATALENGTH(CAST('abc' AS VARBINARY(8)))", 3),
        ("CONVERT(VARCHAR(20), 0x4142, 2)", "4142"),
    ),
]
