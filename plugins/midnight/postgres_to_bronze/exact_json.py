"""The JSON of arrays and composites, and how the server tells values that JSON would change.

``to_json`` keeps every element, but neither the lower bounds of an array (``[0:1]={a,b}``) nor the difference between
NULL and the JSON value null, nor how many dimensions an array of JSON documents has. Such a value is sent as
``NOT_JSON`` and the text that PostgreSQL prints.
"""

from __future__ import annotations

import re

from midnight.column_types import base_name, normalise_type

NOT_JSON = "\x01"  # no JSON begins with it
_MOST_DIMENSIONS = 6
# Their elements have neither arrays nor JSON inside, so that only the array's own bounds count.
_SCALARS = frozenset(
    (
        *("smallint", "integer", "bigint", "oid", "real", "double precision", "numeric", "money", "boolean", "date"),
        *("timestamp without time zone", "timestamp with time zone", "time without time zone", "time with time zone"),
        *("interval", "bytea", "text", "character varying", "character", "name", "uuid", "inet", "cidr", "macaddr"),
        *("macaddr8", "bit", "bit varying", "point", "line", "lseg", "box", "path", "polygon", "circle", "xml"),
        *("int4range", "int8range", "numrange", "daterange", "tsrange", "tstzrange", "tsvector", "tsquery", "pg_lsn"),
    )
)
_DOCUMENTS = ("json", "jsonb")
_NOT_ARRAYS = ("int2vector", "oidvector")  # always start at 0
# What the text of a value shows where JSON may change it: bounds, or a null in small letters that is an element. LIKE
# costs less than a regular expression, which few values need then.
_BOUNDS, _NULL, _NULL_ELEMENT = "%]={%", "%null%", "[({,][^[:alnum:]>]*null[^[:alnum:]]*[,})]"


def exact_json(value: str, pg_type: str) -> str:
    """SQL expression: the value as JSON, or ``NOT_JSON`` and its text where JSON is not exact.

    Args:
        value: SQL expression of an array or a composite.
        pg_type: its type.
    """
    json = f"pg_catalog.to_json({value})::pg_catalog.text"
    inexact = changed_by_json(value, pg_type)
    if not inexact:
        return json
    text = f"pg_catalog.chr({ord(NOT_JSON)}) || pg_catalog.concat({value})"
    return f"CASE WHEN {inexact} THEN {text} ELSE {json} END"


def changed_by_json(value: str, pg_type: str) -> str:
    """SQL condition: JSON does not keep the value exactly; empty when it always does. Arguments as ``exact_json``."""
    if normalise_type(pg_type) in _NOT_ARRAYS:
        return ""
    # Patterns do not work with every collation that a domain may have.
    text, element = f'(pg_catalog.concat({value}) COLLATE "C")', _built_in_element(pg_type)
    lower = [f"pg_catalog.array_lower({value}, {number}) <> 1" for number in range(1, _MOST_DIMENSIONS + 1)]
    several = f"pg_catalog.array_ndims({value}) > 1"
    if element in _SCALARS:
        return f"{lower[0]} OR {several} AND ({' OR '.join(lower[1:])})"
    if element in _DOCUMENTS:
        # [[1]] is an array with the document [1]: one of two dimensions would look the same.
        return f"{lower[0]} OR {several} OR {text} LIKE '{_NULL}' AND {text} ~ '[{{,]\"null\"[,}}]'"
    # A row of this value alone, whose field has the name f1: no other type needs a name, no other column a value.
    row = f"ROW({value})"
    again = f"pg_catalog.json_populate_record({row}, pg_catalog.json_build_object('f1', {value}))"
    suspicious = f"({text} LIKE '{_BOUNDS}' OR {text} LIKE '{_NULL}' AND {text} ~ '{_NULL_ELEMENT}')"
    return f"{suspicious} AND pg_catalog.concat({row}) <> pg_catalog.concat({again})"


def may_be_json(pg_type: str) -> bool:
    """Whether bronze may keep the values as JSON; only the catalogue knows which types are composites."""
    return base_name(pg_type) not in (*_SCALARS, *_DOCUMENTS)


def _built_in_element(pg_type: str) -> str:
    """The type of an array's elements without its modifier; empty for another type, or one of a user's."""
    is_array = pg_type.endswith("[]") and "." not in pg_type and '"' not in pg_type
    return re.sub(r"\([^)]*\)", "", normalise_type(pg_type)).removesuffix("[]") if is_array else ""
