"""The matrix of types for round trips: each type of PostgreSQL and of its extensions, with generated values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import hypothesis
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

from midnight.sql_text import postgres_literal
from tests.support import type_values as v

Compare = Literal["image", "equal", "text"]


@dataclass(frozen=True)
class TypeCase:
    """A type whose values are read and read back.

    Args:
        pg_type: as SQL writes it.
        values: the text that its input function takes.
        bronze_type: of the column; None for the default.
        requires: an extension, or the oldest version of PostgreSQL that has it (``17``).
        delimiter: between the elements of an array of it.
        compare: what is read back is the same binary value, only equal, or printed in the same way.
        in_json: an array or composite of it keeps its value as JSON.
    """

    pg_type: str
    values: st.SearchStrategy[str]
    bronze_type: str | None = None
    requires: str | int = 0
    delimiter: str = ","
    compare: Compare = "image"
    in_json: bool = True


def oid_alias(name: str, *values: str, requires: int = 0) -> TypeCase:
    return TypeCase(name, st.sampled_from([*values, "0", "987654"]), requires=requires)


CASES = (
    TypeCase("smallint", v.whole(*v.INT2)),
    TypeCase("integer", v.whole(*v.INT4)),
    TypeCase("bigint", v.whole(*v.INT8)),
    TypeCase("oid", v.whole(0, 2**32 - 1)),
    TypeCase("real", v.floats(32)),
    TypeCase("double precision", v.floats(64)),
    *(
        TypeCase(f"numeric({p},{s})", v.decimal(p, s))
        for p, s in ((1, 0), (4, 4), (9, 2), (18, 0), (18, 18), (19, 4), (38, 0), (38, 10), (38, 38))
    ),
    TypeCase("numeric", v.decimal(38, 18), compare="equal"),  # 1.5 is 1.500000000000000000 in the lake
    TypeCase("numeric", v.ANY_NUMBER, "text"),
    TypeCase("numeric(1000,500)", v.decimal(90, 50), "text"),
    TypeCase("money", v.MONEY),
    TypeCase("boolean", st.sampled_from(["t", "f"])),
    TypeCase("date", v.DAY),
    TypeCase("date", v.ANY_DAY, "text"),
    TypeCase("timestamp", v.MOMENT),
    TypeCase("timestamp(3)", v.MOMENT.filter(lambda m: not m.startswith("9999-12-31"))),
    TypeCase("timestamp", v.ANY_MOMENT, "text"),
    TypeCase("timestamptz", v.MOMENT_IN_ZONE),
    TypeCase("timestamptz(0)", v.MOMENT_IN_ZONE.filter(lambda m: not m.startswith("9999-12-31"))),
    TypeCase("timestamptz", v.ANY_MOMENT, "text"),
    TypeCase("time", v.TIME),
    TypeCase("timetz", v.TIME_IN_ZONE),
    TypeCase("interval", v.INTERVAL),
    TypeCase("interval(3)", st.sampled_from(["infinity", "-infinity", "1.5 seconds"]), requires=17),
    TypeCase("interval year to month", v.INTERVAL),
    TypeCase("bytea", v.BYTES),
    TypeCase("text", v.TEXT),
    TypeCase("varchar(30)", v.TEXT),
    TypeCase("char(20)", v.TEXT),
    TypeCase("name", v.TEXT.filter(lambda t: len(t.encode()) < 64)),
    TypeCase('"char"', v.BYTE),
    TypeCase("uuid", st.uuids().map(str)),
    TypeCase("json", v.documents(nul=True), in_json=False),  # JSON null in JSON is null, not a json 'null'
    TypeCase("jsonb", v.documents(nul=False), in_json=False),
    TypeCase("jsonpath", v.JSONPATH, requires=12),
    TypeCase("xml", v.XML, requires="xml", compare="text"),  # it does not print the declaration
    TypeCase("inet", v.ADDRESS),
    TypeCase("cidr", v.NETWORK),
    TypeCase("macaddr", v.MAC),
    TypeCase("macaddr8", v.MAC8),
    TypeCase("bit(9)", v.bits(9, 9)),
    TypeCase("varbit", v.bits(0, 40)),
    TypeCase("tsvector", v.TSVECTOR),
    # PostgreSQL prints a & (b & c) as it prints (a & b) & c.
    TypeCase("tsquery", v.TSQUERY, compare="text"),
    TypeCase("point", v.POINT),
    TypeCase("line", v.LINE),
    TypeCase("lseg", st.builds("[{},{}]".format, v.POINT, v.POINT)),
    TypeCase("box", st.builds("{},{}".format, v.POINT, v.POINT), delimiter=";"),
    TypeCase("path", v.POINTS.map("({})".format) | v.POINTS.map("[{}]".format)),
    TypeCase("polygon", v.POINTS.map("({})".format)),
    TypeCase("circle", v.CIRCLE),
    TypeCase("int4range", v.RANGE_INT4),
    TypeCase("int8range", v.RANGE_INT8),
    TypeCase("numrange", v.RANGE_NUMBER),
    TypeCase("daterange", v.RANGE_DAY),
    TypeCase("tsrange", v.RANGE_MOMENT),
    TypeCase("tstzrange", v.RANGE_MOMENT),
    TypeCase("int4multirange", v.multiranges(v.RANGE_INT4), requires=14),
    TypeCase("nummultirange", v.multiranges(v.RANGE_NUMBER), requires=14),
    TypeCase("tstzmultirange", v.multiranges(v.RANGE_MOMENT), requires=14),
    TypeCase("pg_lsn", v.LSN),
    TypeCase("txid_snapshot", v.SNAPSHOT),
    TypeCase("pg_snapshot", v.SNAPSHOT, requires=13),
    TypeCase("xid", v.whole(0, 2**32 - 1)),
    TypeCase("xid8", v.whole(0, 2**64 - 1), requires=13),
    TypeCase("cid", v.whole(0, 2**32 - 1)),
    TypeCase("tid", v.TID),
    TypeCase("refcursor", v.TEXT),
    TypeCase("aclitem", st.sampled_from(["postgres=r/postgres", "=rw*/postgres"])),
    oid_alias("regclass", "pg_class", 'information_schema."columns"'),
    oid_alias("regtype", "integer", "timestamptz", "text[]"),
    oid_alias("regproc", "pg_table_size"),
    oid_alias("regprocedure", "sum(int4)", "abs(numeric)"),
    oid_alias("regoper", "||/"),
    oid_alias("regoperator", "+(int4,int4)", "!!(NONE,tsquery)"),
    oid_alias("regconfig", "english"),
    oid_alias("regdictionary", "simple"),
    oid_alias("regnamespace", "pg_catalog"),
    oid_alias("regrole", "postgres"),
    oid_alias("regcollation", '"C"', requires=13),
    TypeCase("public.mood", st.sampled_from(v.LABELS)),
    TypeCase("public.span", v.RANGE_MOMENT),
    TypeCase("public.citext", v.TEXT, requires="citext"),
    # In an array or a composite hstore's own cast makes a JSON object of it.
    TypeCase("public.hstore", v.HSTORE, requires="hstore", in_json=False),
    TypeCase("public.ltree", v.LTREE, requires="ltree"),
    TypeCase("public.lquery", st.sampled_from(["a.*.b", "*{1,2}.a@|b%", "!x.y*"]), requires="ltree"),
    TypeCase("public.ltxtquery", st.sampled_from(["a & b", "!x | (y* & z@)"]), requires="ltree"),
    TypeCase("public.cube", v.CUBE, requires="cube"),
    TypeCase("public.seg", st.sampled_from(["1.50 .. 2", "~ 3.0", "5(+-)0.5", ".. 7"]), requires="seg"),
    TypeCase("public.isbn", st.sampled_from(["978-0-393-04002-9", "0-901690-54-6"]), requires="isn"),
    TypeCase("public.ean13", st.sampled_from(["0220356483481"]), requires="isn"),
    TypeCase("public.lo", v.whole(0, 2**32 - 1), requires="lo"),
    TypeCase("public.query_int", st.sampled_from(["1&2", "!3|(4&5)"]), requires="intarray"),
    TypeCase("public.vector(3)", v.VECTOR, requires="vector"),
)

SETUP = (
    f"CREATE TYPE public.mood AS ENUM ({', '.join(map(postgres_literal, v.LABELS))})",
    "CREATE TYPE public.span AS RANGE (subtype = timestamptz)",
)


def generate(values: st.SearchStrategy[str], count: int, seed: int | None) -> list[str]:
    """Values of a strategy.

    Args:
        values: the strategy.
        count: at most as many; fewer where the type has fewer.
        seed: the same seed gives the same values; None gives others each time.
    """
    found: list[str] = []

    @settings(
        max_examples=count,
        database=None,
        derandomize=False,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @hypothesis.given(values)
    def collect(value: str) -> None:
        found.append(value)

    (collect if seed is None else hypothesis.seed(seed)(collect))()
    return list(dict.fromkeys(found))
