"""The small typed tables that the queries read."""

from __future__ import annotations

# name -> (column -> T-SQL type, rows as DuckDB literals)
TABLES: dict[str, tuple[dict[str, str], list[str]]] = {
    "one": ({"id": "INT"}, ["1"]),
    "numbers": (
        {
            "id": "INT",
            "i": "INT",
            "n": "BIGINT",
            "s": "SMALLINT",
            "d": "DECIMAL(8,4)",
            "m": "DECIMAL(10,2)",
            "f": "FLOAT",
            "b": "BIT",
        },
        [
            "1, 7, 9000000000, 5, 2.7500, 19.99, 1234567.891, true",
            "2, -7, -5, -5, -2.7500, -0.05, -0.5, false",
            "3, 0, 0, 0, 0.5000, 0.00, 0.1, NULL",
            "4, NULL, NULL, NULL, NULL, NULL, NULL, NULL",
            "5, 2147483647, 9223372036854775807, 32767, 9999.9999, 99999999.99, 1e15, true",
        ],
    ),
    "texts": (
        {"id": "INT", "t": "VARCHAR(50)", "u": "VARCHAR(50)"},
        [
            "1, 'abc', 'abc'",
            "2, '', ' '",
            "3, 'ab  ', 'ab'",
            "4, NULL, 'x'",
            "5, 'Größe', 'größe'",
            "6, ' x', 'x'",
            "7, '12', '012'",
        ],
    ),
    "moments": (
        {"id": "INT", "day": "DATE", "at": "DATETIME2(6)"},
        [
            "1, '2024-02-29', '2024-02-29 23:59:59.999999'",
            "2, '2023-12-31', '2023-12-31 00:00:00'",
            "3, NULL, NULL",
            "4, '1900-01-01', '1900-01-01 12:30:15.5'",
        ],
    ),
    "shop": (
        {"id": "INT", "name": "VARCHAR(20)", "region": "VARCHAR(10)"},
        ["1, 'Nørre', 'north'", "2, 'Søndre', 'south'", "3, 'Nova', 'north '", "4, 'Empty', NULL"],
    ),
    "sale": (
        {
            "id": "INT",
            "shop_id": "INT",
            "day": "DATE",
            "product": "VARCHAR(10)",
            "pieces": "INT",
            "amount": "DECIMAL(10,2)",
        },
        [
            "1, 1, '2024-01-05', 'tea', 2, 10.00",
            "2, 1, '2024-01-20', 'milk', 1, 2.50",
            "3, 2, '2024-01-20', 'tea', 5, 25.00",
            "4, 2, '2024-02-01', 'tea ', NULL, NULL",
            "5, 3, '2024-02-29', 'milk', 4, 10.00",
            "6, NULL, '2024-03-31', 'jam', 3, 7.77",
        ],
    ),
    "document": (
        {"id": "INT", "j": "VARCHAR(200)"},
        [
            """1, '{"name": "Ada", "age": 36, "tags": ["x", "y"], "home": {"city": "London"}}'""",
            """2, '{"name": null, "age": 1.50, "tags": [], "on": true}'""",
            """3, NULL""",
        ],
    ),
}
