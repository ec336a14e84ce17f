"""FORMAT; every pattern that is proved has further cases in tsql/test_formats.py."""

from __future__ import annotations

from tests.unit.midnight.gold_to_serving.tsql_answers.corpus import ERROR, Construct, construct

PAGE = "t-sql/functions/format-transact-sql"
NUMERIC = "dotnet/standard/base-types/standard-numeric-format-strings"

CONSTRUCTS: list[Construct] = [
    construct(
        "FORMAT of decimals",
        NUMERIC,
        ("FORMAT(m, 'N2')", ["19.99", "-0.05", "0.00", None, "99,999,999.99"]),
        ("FORMAT(m, 'N0')", ["20", "0", "0", None, "100,000,000"]),
        ("FORMAT(d, '0.00')", ["2.75", "-2.75", "0.50", None, "10000.00"]),
        ("FORMAT(m, '#,##0.0')", ["20.0", "-0.1", "0.0", None, "100,000,000.0"]),
        ("FORMAT(CAST('12345678901234567.89' AS DECIMAL(20,2)), 'N2')", ["12,345,678,901,234,567.89"] * 5),
        ("FORMAT(CAST(1.005 AS DECIMAL(5,3)), '0.00')", ["1.01"] * 5),
        ("FORMAT(2.50, 'N0')", ["3"] * 5),
        ("FORMAT(m, 'C', 'en-US')", ["$19.99", "($0.05)", "$0.00", None, "$99,999,999.99"]),
        ("FORMAT(m, 'N2', 'de-DE')", ERROR),
        table="numbers",
    ),
    construct(
        "FORMAT of integers",
        NUMERIC,
        ("FORMAT(i, 'N0')", ["7", "-7", "0", None, "2,147,483,647"]),
        ("FORMAT(i, 'D4')", ["0007", "-0007", "0000", None, "2147483647"]),
        ("FORMAT(i, '000')", ["007", "-007", "000", None, "2147483647"]),
        ("FORMAT(123456789, '###-##-####')", ["123-45-6789"] * 5),
        ("FORMAT(i, '#')", ["7", "-7", "", None, "2147483647"]),
        table="numbers",
    ),
    construct(
        "FORMAT of percentages",
        NUMERIC,
        ("FORMAT(0.256, 'P1')", "25.6 %"),
        ("FORMAT(1, 'P')", "100.00 %"),
        ("FORMAT(-0.39678, 'P1')", "-39.7 %"),
        ("FORMAT(0.256, '0.0%')", "25.6%"),
        ("FORMAT(0.5, 'P0')", "50 %"),
    ),
    construct(
        "FORMAT of floats",
        NUMERIC,
        ("FORMAT(f, 'N2')", ["1,234,567.89", "-0.50", "0.10", None, "1,000,000,000,000,000.00"]),
        ("FORMAT(1.005e0, '0.00')", ["1.01"] * 5),
        table="numbers",
    ),
    construct(
        "FORMAT of dates",
        PAGE,
        ("FORMAT(day, 'yyyy-MM')", ["2024-02", "2023-12", None, "1900-01"]),
        ("FORMAT(day, 'dd/MM/yyyy', 'en-US')", ["29/02/2024", "31/12/2023", None, "01/01/1900"]),
        ("FORMAT(day, 'd', 'en-US')", ["2/29/2024", "12/31/2023", None, "1/1/1900"]),
        (
            "FORMAT(day, 'D', 'en-US')",
            ["Thursday, February 29, 2024", "Sunday, December 31, 2023", None, "Monday, January 1, 1900"],
        ),
        ("FORMAT(at, 'HH:mm:ss')", ["23:59:59", "00:00:00", None, "12:30:15"]),
        ("FORMAT(at, 'hh:mm tt')", ["11:59 PM", "12:00 AM", None, "12:30 PM"]),
        ("FORMAT(day, 'MMM yyyy')", ["Feb 2024", "Dec 2023", None, "Jan 1900"]),
        table="moments",
    ),
    construct(
        "FORMAT of texts",
        PAGE,
        ("FORMAT('12', 'N2')", ERROR),
        ("FORMAT('2024-01-01', 'yyyy')", ERROR),
        ("FORMAT(CAST(1 AS BIT), 'N0')", ERROR),
    ),
]
