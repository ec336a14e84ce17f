"""An example of each PostgreSQL type and what bronze holds of it: the content of ``docs/types.md``, read by a test."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TypeExample:
    """A type with one value.

    Args:
        pg_type: as ``format_type`` prints it; a type of ``SETUP`` is in the schema public.
        value: a text for its input function.
        held: the value in bronze, as text; empty: as ``value``.
        category: ``pg_type.typcategory`` where it matters: ``A`` array, ``C`` composite.
        bronze_type: of the column.
        requires: an extension, or a server that has the type: ``libxml``.
    """

    pg_type: str
    value: str
    held: str = ""
    category: str = ""
    bronze_type: str | None = None
    requires: str = ""


# Types that the examples need.
SETUP = (
    "CREATE TYPE public.mood AS ENUM ('happy', 'sad')",
    "CREATE TYPE public.address AS (street text, floors integer[])",
    "CREATE TYPE public.span AS RANGE (subtype = timestamptz)",
    "CREATE DOMAIN public.percent AS numeric(5,2) CHECK (VALUE <= 100)",
    "CREATE DOMAIN public.tags AS text[]",
)
E_ = TypeExample

EXAMPLES: dict[str, tuple[TypeExample, ...]] = {
    "Numbers": (
        E_("smallint", "-32768"),
        E_("integer", "2147483647"),
        E_("bigint", "-9223372036854775808"),
        E_("numeric(10,2)", "12.30"),
        E_("numeric(38,10)", "1.5", "1.5000000000"),
        E_("numeric", "1.5", "1.500000000000000000"),
        E_("numeric(60,30)", "NaN", bronze_type="text"),
        E_("money", "-1234.5", "-1234.5000"),
        E_("real", "9.8", "9.800000190734863"),
        E_("double precision", "-0", "-0.0"),
        E_("boolean", "yes", "True"),
    ),
    "Dates and times": (
        E_("date", "2024-02-29"),
        E_("date", "0044-03-15 BC", bronze_type="text"),
        E_("timestamp without time zone", "2024-02-29 12:00", "2024-02-29T12:00:00"),
        E_("timestamp with time zone", "2024-02-29 12:00+02", "2024-02-29T10:00:00+00:00"),
        E_("timestamp with time zone", "infinity", bronze_type="text"),
        E_("time without time zone", "24:00:00"),
        E_("time with time zone", "12:30+05:45", "12:30:00+05:45"),
        E_("interval", "1 year -3 days 04:05:06.7", "P1Y-3DT4H5M6.7S"),
    ),
    "Texts and bytes": (
        E_("text", "größer 😀"),
        E_("character varying(20)", "ab "),
        E_("character(5)", "ab", "ab   "),
        E_("name", "pg_class"),
        E_('"char"', "x"),
        E_("uuid", "a0eebc999c0b4ef8bb6d6bb9bd380a11", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
        E_("bytea", "\\x00ff"),
        E_("bit(4)", "0101"),
        E_("bit varying(9)", "1"),
        E_("public.mood", "happy", category="E"),
    ),
    "Documents": (
        E_("json", '{"b":  1, "b": 2}'),
        E_("jsonb", '{"b":  1, "a": 1.0}', '{"a": 1.0, "b": 1}'),
        E_("jsonpath", "$.a[*] ? (@.b > 1)", '$."a"[*]?(@."b" > 1)'),
        E_("xml", "<a>é</a>", requires="libxml"),
        E_("tsvector", "cat:2A fat:1", "'cat':2A 'fat':1"),
        E_("tsquery", "fat & !cat:*", "'fat' & !'cat':*"),
    ),
    "Arrays and composites": (
        E_("integer[]", "{1,NULL}", "[1,null]", "A"),
        E_("integer[]", "{{1,2},{3,4}}", "[[1,2],[3,4]]", "A"),
        E_("integer[]", "{}", "[]", "A"),
        E_("integer[]", "[0:1]={1,2}", "[0:1]={1,2}", "A", bronze_type="text"),
        E_("double precision[]", "{0.1,NaN}", '[0.1,"NaN"]', "A"),
        E_("timestamp with time zone[]", "{2024-02-29 12:00+02}", '["2024-02-29T10:00:00+00:00"]', "A"),
        E_("public.mood[]", "{sad}", '["sad"]', "A"),
        E_("public.address", '("Main St",{1})', '{"street":"Main St","floors":[1]}', "C"),
        E_("public.address", "(,)", '{"street":null,"floors":null}', "C"),
        E_("public.address[]", '{"(a,{})"}', '[{"street":"a","floors":[]}]', "A"),
        E_("public.address", "(a,{})", "(a,{})", "C", bronze_type="text"),
        E_("int2vector", "1 2", "[1,2]", "A"),
        E_("oidvector", "1 2", '["1","2"]', "A"),
    ),
    "Domains": (
        E_("public.percent", "99.5", "99.50"),
        E_("public.tags", "{a,b}", '["a","b"]', "A"),
    ),
    "Ranges": (
        E_("int4range", "[1,5]", "[1,6)"),
        E_("int8range", "empty"),
        E_("numrange", "(,1.50]"),
        E_("daterange", "[2024-02-29,infinity)"),
        E_("tsrange", "[2024-02-29 12:00,]", '["2024-02-29 12:00:00",)'),
        E_("tstzrange", "[2024-02-29 12:00+02,)", '["2024-02-29 10:00:00+00",)'),
        E_("public.span", "(,2024-02-29 12:00+02)", '(,"2024-02-29 10:00:00+00")'),
        E_("int4multirange", "{[1,3),[5,8)}"),
        E_("int8multirange", "{}"),
        E_("nummultirange", "{[1.5,2.5]}"),
        E_("datemultirange", "{[2024-02-29,2024-03-01]}", "{[2024-02-29,2024-03-02)}"),
        E_("tsmultirange", "{(,2024-02-29)}", '{(,"2024-02-29 00:00:00")}'),
        E_("tstzmultirange", "{[2024-02-29 12:00+02,)}", '{["2024-02-29 10:00:00+00",)}'),
    ),
    "Networks and geometry": (
        E_("inet", "192.168.0.1/24"),
        E_("cidr", "2001:db8::/32"),
        E_("macaddr", "08:00:2B:01:02:03", "08:00:2b:01:02:03"),
        E_("macaddr8", "08:00:2b:01:02:03:04:05"),
        E_("point", "(1.5,0.1)"),
        E_("line", "{1,2,3}"),
        E_("lseg", "[(1,2),(3,4)]"),
        E_("box", "(3,4),(1,2)"),
        E_("path", "[(1,2),(3,4)]"),
        E_("polygon", "((0,0),(1,1),(1,0))"),
        E_("circle", "<(1,2),3>"),
    ),
    "Object identifiers and types of the system": (
        E_("oid", "4294967295"),
        E_("regclass", "pg_catalog.pg_class", "pg_class"),
        E_("regtype", "int4", "integer"),
        E_("regproc", "pg_table_size"),
        E_("regprocedure", "abs(int4)", "abs(integer)"),
        E_("regoper", "||/"),
        E_("regoperator", "+(int4,int4)", "+(integer,integer)"),
        E_("regconfig", "english"),
        E_("regdictionary", "simple"),
        E_("regnamespace", "pg_catalog"),
        E_("regrole", "postgres"),
        E_("regcollation", '"C"'),
        E_("pg_lsn", "16/B374D848"),
        E_("pg_snapshot", "10:20:10,14"),
        E_("txid_snapshot", "10:20:10,14"),
        E_("xid", "4294967295"),
        E_("xid8", "18446744073709551615"),
        E_("cid", "1"),
        E_("tid", "(42,7)"),
        E_("refcursor", "c1"),
        E_("aclitem", "=r/postgres"),
    ),
    "Extensions": (
        E_("citext", "MiXed", requires="citext"),
        E_("hstore", "a=>1,b=>NULL", '"a"=>"1", "b"=>NULL', requires="hstore"),
        E_("ltree", "a.b.c", requires="ltree"),
        E_("lquery", "a.*{1,2}.b@|c", requires="ltree"),
        E_("ltxtquery", "a & !b*", requires="ltree"),
        E_("cube", "(1,2.5)", "(1, 2.5)", requires="cube"),
        E_("seg", "1.50 .. 2", requires="seg"),
        E_("ean13", "0220356483481", "022-035648348-1", requires="isn"),
        E_("isbn", "978-0-393-04002-9", "0-393-04002-X", requires="isn"),
        E_("lo", "4294967295", requires="lo"),
        E_("query_int", "1&!2", "1 & !2", requires="intarray"),
        E_("vector(3)", "[1,2.5,-0]", requires="vector"),
        E_("halfvec(2)", "[1,2.5]", requires="vector"),
        E_("sparsevec(5)", "{1:1.5}/5", requires="vector"),
    ),
}

# Types without an input function that columns of a user's table could use, or of indexes only.
NOT_OF_COLUMNS = (
    *("gtsvector", "pg_brin_bloom_summary", "pg_brin_minmax_multi_summary", "pg_dependencies", "pg_mcv_list"),
    *("pg_ndistinct", "pg_node_tree"),
)
