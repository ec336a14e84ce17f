"""The type mapping: how a PostgreSQL type is read and stored in bronze, and its types in Spark, T-SQL and DuckDB.

A PostgreSQL type (as ``format_type`` prints it) is reduced to a *stored type*: one of the few PostgreSQL types that
all parts of the lake represent exactly. Types without an exact equivalent are stored as text, never as a similar type.

| PostgreSQL | stored type | Arrow/Parquet | Spark | T-SQL | DuckDB |
|---|---|---|---|---|---|
| smallint, integer, bigint (oid) | same | int16, int32, int64 | SMALLINT, INT, BIGINT | same | same |
| real, double precision | same | float, double | FLOAT, DOUBLE | REAL, FLOAT | FLOAT, DOUBLE |
| numeric(p,s), money, numeric | numeric(p,s); (23,4); (38,18) | decimal128(p,s) | DECIMAL(p,s) | same | same |
| boolean, date, bytea | same | bool, date32, binary | BOOLEAN, DATE, BINARY | BIT, DATE, VARBINARY | same |
| timestamp | same | timestamp[us] | TIMESTAMP | DATETIME2(6) | TIMESTAMP |
| timestamptz | same | timestamp[us, tz=UTC] | TIMESTAMP | DATETIME2(6) | TIMESTAMP |
| arrays, composites | text (JSON) | string | STRING | VARCHAR | VARCHAR |
| everything else | text | string | STRING | VARCHAR | VARCHAR |
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from midnight.errors import TypeNotSupportedError

if TYPE_CHECKING:
    import pyarrow

MAXIMUM_PRECISION = 38  # of DECIMAL in Spark, Parquet's decimal128, T-SQL and DuckDB
UNCONSTRAINED_NUMERIC = "numeric(38,18)"
# money is a 64-bit integer that counts the smallest unit (19 digits); no currency has more than 4 decimals.
MONEY = "numeric(23,4)"

# stored type -> (Arrow, Spark); numeric(p,s) is computed
_STORED = {
    "smallint": ("int16", "SMALLINT"),
    "integer": ("int32", "INT"),
    "bigint": ("int64", "BIGINT"),
    "real": ("float", "FLOAT"),
    "double precision": ("double", "DOUBLE"),
    "boolean": ("bool", "BOOLEAN"),
    "date": ("date32", "DATE"),
    "timestamp without time zone": ("timestamp[us]", "TIMESTAMP"),
    "timestamp with time zone": ("timestamp[us, tz=UTC]", "TIMESTAMP"),
    "text": ("string", "STRING"),
    "bytea": ("binary", "BINARY"),
}
# Spark -> (T-SQL, DuckDB), both with the same range, so that sums fit in both. TINYINT of T-SQL is unsigned, and its
# FLOAT has 53 bits.
_SPARK = {
    "TINYINT": ("SMALLINT", "SMALLINT"),
    "SMALLINT": ("SMALLINT", "SMALLINT"),
    "INT": ("INT", "INTEGER"),
    "BIGINT": ("BIGINT", "BIGINT"),
    "FLOAT": ("REAL", "FLOAT"),
    "DOUBLE": ("FLOAT", "DOUBLE"),
    "BOOLEAN": ("BIT", "BOOLEAN"),
    "DATE": ("DATE", "DATE"),
    "TIMESTAMP": ("DATETIME2(6)", "TIMESTAMP"),
    "STRING": ("VARCHAR", "VARCHAR"),
    "BINARY": ("VARBINARY", "BLOB"),
}
_SPARK_ALIASES = {"INTEGER": "INT", "LONG": "BIGINT", "SHORT": "SMALLINT", "BYTE": "TINYINT", "REAL": "FLOAT"}
_ALIASES = {
    "int2": "smallint",
    "int4": "integer",
    "int": "integer",
    "int8": "bigint",
    "float4": "real",
    "float8": "double precision",
    "float": "double precision",
    "bool": "boolean",
    "decimal": "numeric",
    "varchar": "character varying",
    "char": "character",
    "bpchar": "character",
    "timestamp": "timestamp without time zone",
    "timestamptz": "timestamp with time zone",
    "time": "time without time zone",
    "timetz": "time with time zone",
    "varbit": "bit varying",
}
# Types of text that people write, including the extension citext. Other types are stored as text as well.
TEXT_TYPES = ("text", "character varying", "character", "name", "citext")
_EXACT_NUMBERS = ("smallint", "integer", "bigint", "oid", "numeric")
_NUMERIC = re.compile(r"numeric(?:\(\s*(\d+)\s*(?:,\s*(-?\d+)\s*)?\))?$")
_UTF8_COLLATION = "COLLATE Latin1_General_100_BIN2_UTF8"


@lru_cache(maxsize=4_096)
def normalise_type(pg_type: str) -> str:
    """The spelling that ``format_type`` uses, for a type that may be written with an alias.

    The prefixes ``pg_catalog.`` and ``public.`` are removed, because ``format_type`` prints them depending on the
    search path. A user-defined type with the name of a built-in type (``public.money``) keeps its schema.
    """
    text = re.sub(r"\s+", " ", pg_type.strip()).removeprefix("pg_catalog.")
    user_type = re.match(r"public\.(\w+)(?![\w.])", text)
    if user_type and user_type[1] in (*_STORED, *_ALIASES, "numeric", "money", "oid"):
        return text
    text = text.removeprefix("public.")
    if '"' in text:  # a user-defined type, or "char"
        return text
    array = ""
    if text.endswith("[]"):
        text, array = text[: text.index("[]")], "[]"
    lower = text.lower()
    modifier = "".join(re.findall(r"\([^)]*\)", lower)).replace(" ", "")
    name = re.sub(r"\s*\([^)]*\)", "", lower)
    name = _ALIASES.get(name, name)
    if name == "numeric" and re.fullmatch(r"\(\d+\)", modifier):
        modifier = f"{modifier[:-1]},0)"
    first, separator, rest = name.partition(" ")
    if name.startswith(("timestamp", "time ")):  # timestamp(3) with time zone
        return f"{first}{modifier}{separator}{rest}{array}"
    return f"{name}{modifier}{array}"


def base_name(pg_type: str) -> str:
    """The type without length, precision or scale: ``character varying``, ``timestamp with time zone``."""
    before, _, after = normalise_type(pg_type).partition("(")
    return before + after.partition(")")[2]


def stored_type(pg_type: str, bronze_type: str | None = None) -> str:
    """The PostgreSQL type in which bronze stores a column (``BronzeColumn.stored_as``).

    Args:
        pg_type: type of the column; for a domain its base type.
        bronze_type: ``Column.bronze_type``: the type that the configuration requests instead.

    Raises:
        TypeNotSupportedError: no type of the lake represents it exactly, and ``bronze_type`` is missing or impossible.
    """
    wanted = normalise_type(bronze_type if bronze_type is not None else pg_type)
    numeric = _NUMERIC.match(wanted)
    if numeric:
        if numeric[1] is None:
            return UNCONSTRAINED_NUMERIC
        precision, scale = int(numeric[1]), int(numeric[2] or 0)
        if precision > MAXIMUM_PRECISION or not 0 <= scale <= precision:
            raise TypeNotSupportedError(
                f"{wanted!r} has no exact equivalent in the lake (at most numeric(38,s) with 0 <= s <= 38); "
                "hint: add to the column bronze_type: text, or a numeric(p,s) that fits its values"
            )
        return f"numeric({precision},{scale})"
    bare = re.sub(r"^(timestamp)\(\d\)", r"\1", wanted)
    if bare in _STORED:
        return bare
    if wanted == "money":
        return MONEY
    if wanted == "oid":
        return "bigint"
    if bronze_type is not None and wanted not in ("character varying", "character"):
        raise TypeNotSupportedError(
            f"bronze_type: {bronze_type!r} is not a stored type; hint: write one of {[*_STORED, 'numeric(p,s)']!r}"
        )
    return "text"


def copy_expression(identifier: str, pg_type: str, *, bronze_type: str | None = None, category: str = "") -> str:
    """The expression that selects a column in the COPY query, whose text can be parsed as the stored type.

    Exact numbers are never cast by the server, which would round: the parser rejects values that do not fit.

    Args:
        identifier: the quoted column name.
        pg_type: type of the column; for a domain its base type.
        bronze_type: ``Column.bronze_type``.
        category: ``pg_type.typcategory`` of the base type (``A`` array, ``C`` composite).

    Raises:
        TypeNotSupportedError: see ``stored_type``.
    """
    source, target = normalise_type(pg_type), stored_type(pg_type, bronze_type)
    if is_kept_as_json(pg_type, bronze_type, category):
        return f"pg_catalog.to_json({identifier})"
    if source == "money":
        return f"{identifier}::numeric" if target.startswith("numeric") else f"{identifier}::numeric::{target}"
    if bronze_type is None or target == stored_type_or_none(pg_type):
        return identifier
    exact = source.split("(")[0] in _EXACT_NUMBERS
    if exact and target.split("(")[0] in _EXACT_NUMBERS:
        return identifier
    return f"{identifier}::{target}"


def is_kept_as_json(pg_type: str, bronze_type: str | None, category: str = "") -> bool:
    """Whether bronze holds the values as JSON: arrays and composites, unless ``bronze_type`` says otherwise."""
    return bronze_type is None and (normalise_type(pg_type).endswith("[]") or category in ("A", "C"))


def stored_type_or_none(pg_type: str) -> str | None:
    """``stored_type`` without ``bronze_type``; None if the type is not supported."""
    try:
        return stored_type(pg_type)
    except TypeNotSupportedError:
        return None


def arrow_type(stored_as: str) -> str:
    """Name of the Arrow type in the Parquet files of bronze, for example ``decimal128(10,2)``."""
    if stored_as in _STORED:
        return _STORED[stored_as][0]
    numeric = _NUMERIC.match(stored_type(stored_as))
    if numeric is None:
        raise TypeNotSupportedError(
            f"{stored_as!r} is not a stored type; hint: write one of {[*_STORED, 'numeric(p,s)']!r}"
        )
    return f"decimal128({numeric[1]},{numeric[2]})"


def to_arrow(stored_as: str) -> pyarrow.DataType:
    """The Arrow type in the Parquet files of bronze."""
    import pyarrow

    name = arrow_type(stored_as)
    decimal = re.fullmatch(r"decimal128\((\d+),(\d+)\)", name)
    if decimal:
        return pyarrow.decimal128(int(decimal[1]), int(decimal[2]))
    if name.startswith("timestamp"):
        return pyarrow.timestamp("us", tz="UTC" if "UTC" in name else None)
    return pyarrow.type_for_alias(name)


def spark_type(pg_type: str, bronze_type: str | None = None) -> str:
    """Spark SQL type in silver. Timestamps without time zone become TIMESTAMP (in UTC): silver has no TIMESTAMP_NTZ.

    Raises:
        TypeNotSupportedError: see ``stored_type``.
    """
    stored_as = stored_type(pg_type, bronze_type)
    if stored_as in _STORED:
        return _STORED[stored_as][1]
    return stored_as.replace("numeric", "DECIMAL")


def tsql_type(spark_type: str, max_length: int | None = None) -> str:
    """T-SQL type for a base view in Synapse serverless.

    Args:
        spark_type: for example ``DECIMAL(10,2)``.
        max_length: longest text in characters, or longest binary value in bytes. VARCHAR counts bytes, and a character
            takes up to 4 bytes in UTF-8; more than 8000 bytes, or None, gives MAX.

    Raises:
        TypeNotSupportedError: the type has no equivalent (arrays, maps, structs).
    """
    name = _spark_name(spark_type)
    if name.startswith("DECIMAL"):
        return name
    if name in ("STRING", "BINARY"):
        size = None if max_length is None else max(1, max_length) * (4 if name == "STRING" else 1)
        length = "MAX" if size is None or size > 8000 else str(size)
        return f"VARCHAR({length}) {_UTF8_COLLATION}" if name == "STRING" else f"VARBINARY({length})"
    return _SPARK[name][0]


def duckdb_type(spark_type: str) -> str:
    """DuckDB type for the same base view. Its TIMESTAMP has no time zone, like that of T-SQL: convert in UTC.

    Raises:
        TypeNotSupportedError: the type has no equivalent (arrays, maps, structs).
    """
    name = _spark_name(spark_type)
    return name if name.startswith("DECIMAL") else _SPARK[name][1]


def _spark_name(spark_type: str) -> str:
    name = spark_type.strip().upper().replace(" ", "")
    name = _SPARK_ALIASES.get(name, name)
    if re.fullmatch(r"(DECIMAL|NUMERIC|DEC)(\(\d+(,\d+)?\))?", name):
        precision, _, scale = (name.partition("(")[2].rstrip(")") or "10,0").partition(",")
        return f"DECIMAL({precision},{scale or 0})"
    if re.fullmatch(r"(VAR)?CHAR\(\d+\)", name):
        return "STRING"
    if name not in _SPARK:
        raise TypeNotSupportedError(
            f"Spark type {spark_type!r} is not supported in a reporting view; hint: cast it in the model to one of "
            f"{[*_SPARK, 'DECIMAL(p,s)']!r}"
        )
    return name
