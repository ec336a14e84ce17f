"""Hypothesis strategies for the text of values of each PostgreSQL type, with the extremes of its range."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import Any, Literal

from hypothesis import strategies as st

from tests.support.other_postgres import version_of_postgres

Texts = st.SearchStrategy[str]

INT2, INT4, INT8 = ((-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) for bits in (16, 32, 64))
# COPY rejects a null character only.
CHARACTERS = st.characters(codec="utf-8", exclude_characters="\0")
TEXT = st.text(CHARACTERS, max_size=20) | st.text(
    st.sampled_from("\\N\n\r\t\b\f\v.'\"{}(),;[]: é\ufeff😀"), max_size=12
)


def whole(lowest: int, highest: int) -> Texts:
    return st.integers(lowest, highest).map(str) | st.sampled_from([str(lowest), str(highest), "0"])


def decimal(precision: int, scale: int) -> Texts:
    """Numbers that fit, with all digits or few."""
    digits = st.integers(1, precision).flatmap(lambda n: st.integers(-(10**n) + 1, 10**n - 1))
    return digits.map(lambda n: fixed(n, scale)) | st.sampled_from([10**precision - 1, 1, 0]).map(
        lambda n: fixed(-n, scale)
    )


def fixed(digits: int, scale: int) -> str:
    text = str(abs(digits)).rjust(scale + 1, "0")
    whole, fraction = (text[:-scale], text[-scale:]) if scale else (text, "")
    return ("-" if digits < 0 else "") + whole + ("." + fraction if fraction else "")


def floats(width: Literal[32, 64]) -> Texts:
    extremes = ["NaN", "Infinity", "-Infinity", "-0", "0.1"]
    extremes += ["1e-45", "1.1754942e-38", "3.4028235e38"] if width == 32 else ["5e-324", "1.7976931348623157e308"]
    code = "f" if width == 32 else "d"
    bits = st.binary(min_size=width // 8, max_size=width // 8).map(lambda b: struct.unpack(code, b)[0])
    return (st.floats(width=width) | bits).map(repr) | st.sampled_from(extremes)


DAY = st.dates(date(1, 1, 1), date(9999, 12, 31)).map(date.isoformat) | st.sampled_from(["0001-01-01", "9999-12-31"])
MOMENT = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30)).map(lambda m: m.isoformat(" ")) | st.sampled_from(
    ["0001-01-01 00:00:00", "9999-12-31 23:59:59.999999", "1582-10-10 00:00:00.1", "2000-01-01 00:00:00"]
)
ZONE = st.builds("{:+03d}:{:02d}".format, st.integers(-15, 15), st.integers(0, 59))
MOMENT_IN_ZONE = st.builds(
    "{}{}".format,
    st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 29)).map(lambda m: m.isoformat(" ")),
    ZONE,
) | st.sampled_from(["0001-01-01 00:00:00+00", "9999-12-31 23:59:59.999999+00"])
# Every year that PostgreSQL has, also those that the lake's types do not.
ANY_DAY = st.builds("{}-{:02d}-{:02d}{}".format, st.integers(1, 4713).map("{:04d}".format), st.integers(1, 12),
                    st.integers(1, 28), st.sampled_from(["", " BC"])) | st.sampled_from(
    ["infinity", "-infinity", "4713-01-01 BC", "5874897-12-31", "10000-01-01", "0001-12-31 BC"]
)  # fmt: skip
ANY_MOMENT = (
    st.builds(
        "{:04d}-01-31 23:59:59.{:06d}{}".format,
        st.integers(1, 4713),
        st.integers(0, 999_999),
        st.sampled_from(["", " BC"]),
    )
    | MOMENT
    | st.sampled_from(["infinity", "-infinity", "4713-01-01 00:00:00 BC", "294276-12-31 23:59:59.999999"])
)
INFINITE_NUMBERS = ("Infinity", "-Infinity") if version_of_postgres() >= 14 else ()
ANY_NUMBER = (
    st.builds("{}e{}".format, whole(-(10**40), 10**40), st.integers(-300, 300))
    | st.sampled_from(["NaN", *INFINITE_NUMBERS, "0.000", "1.10", "1e131071", "1e-16383", "-0"])
    | decimal(60, 30)
)
TIME = st.times().map(lambda t: t.isoformat()) | st.sampled_from(["24:00:00", "00:00:00.000001", "23:59:59.999999"])
TIME_IN_ZONE = st.builds("{}{}".format, TIME, ZONE) | st.sampled_from(["24:00:00+15:59:59", "00:00:00-15:59:59"])


# What an older server reads of one unit.
INTERVAL_MICROSECONDS = INT8 if version_of_postgres() >= 15 else INT4
MOST_HOURS = 2_562_047_788 if version_of_postgres() >= 15 else 500_000


@st.composite
def intervals(draw: Callable[[Any], Any]) -> str:
    """Fields of different signs, up to the largest."""
    small, large = st.integers(-1000, 1000), st.integers(*INT4)
    months, days = draw(small | large), draw(small | large)
    return f"{months} mons {days} days {draw(small | st.integers(*INTERVAL_MICROSECONDS))} microseconds"


INTERVAL = intervals() | st.sampled_from(
    ["0", f"178956970 years 7 mons 2147483647 days {MOST_HOURS}:00:54.775807", "-1 mon 1 day"]
)


def bits(least: int, most: int) -> Texts:
    return st.text("01", min_size=least, max_size=most)


# Network, geometry
ADDRESS = st.ip_addresses().flatmap(
    lambda ip: st.integers(0, ip.max_prefixlen).map(lambda n: f"{ip}/{n}")
) | st.sampled_from(["::ffff:1.2.3.4/128", "0.0.0.0/0", "::/0", "255.255.255.255"])
NETWORK = (
    st.ip_addresses(v=4).map(lambda ip: f"{ip}/32")
    | st.ip_addresses(v=6).map(lambda ip: f"{ip}/128")
    | st.sampled_from(["10.0.0.0/8", "2001:db8::/32", "0.0.0.0/0"])
)
COORDINATE = floats(64)
POINT = st.builds("({},{})".format, COORDINATE, COORDINATE)
FINITE = st.floats(-1e100, 1e100).map(repr)
POINTS = st.lists(st.builds("({},{})".format, FINITE, FINITE), min_size=1, max_size=5).map(",".join)
LINE = st.builds("{{{},{},{}}}".format, FINITE, st.floats(1, 1e9).map(repr), FINITE)
CIRCLE = st.builds("<({},{}),{}>".format, FINITE, FINITE, st.floats(0, 1e100).map(repr))

# Documents
HUGE = st.sampled_from(["1e400", "-1E-400", "123456789012345678901234567890.10", "1.00", "-0", "0.0"])


def documents(*, nul: bool) -> Texts:
    """JSON as people write it: spaces, escapes, duplicate keys, numbers of any size."""
    strings = st.builds(lambda t, a: json.dumps(t, ensure_ascii=a), TEXT, st.booleans())
    if nul:
        strings |= st.just('"\\u0000 \\/ \\u00e9"')
    leaves = strings | HUGE | whole(*INT8) | st.sampled_from(["null", "true", "false"])
    space = st.sampled_from(["", " ", "\n\t"])

    def inside(children: Texts) -> Texts:
        lists = st.builds(lambda c, s: "[" + s + f",{s}".join(c) + "]", st.lists(children, max_size=3), space)
        keys = st.sampled_from(['"a"', '"b"', '""', '"a b"']) | strings
        pairs = st.builds("{}:{}{}".format, keys, space, children)
        return lists | st.lists(pairs, max_size=4).map(lambda p: "{" + ", ".join(p) + "}")

    return st.recursive(leaves, inside, max_leaves=6)


XML = st.sampled_from(
    [
        "<a/>",
        "<a b='1'>x &amp; y</a>",
        "text",
        "<?xml version='1.0'?><a>é</a>",
        "<a><![CDATA[<]]></a>\n",
        "<!-- c --><b/>",
    ]
)
JSONPATH = st.sampled_from(["$", "strict $.a[*] ? (@.b > 1.50)", 'lax $."a b" ? (@ like_regex "^x" flag "i")', "$.*"])


def lexeme(word: str) -> str:
    return "'" + word.replace("\\", "\\\\").replace("'", "''") + "'"


PLACES = st.lists(st.builds("{}{}".format, st.integers(1, 16383), st.sampled_from("ABCD")), min_size=1, max_size=3).map(
    lambda p: ":" + ",".join(p)
)
TSVECTOR = st.lists(st.builds(lambda w, p: lexeme(w) + p, TEXT.filter(bool), PLACES | st.just("")), max_size=5).map(
    " ".join
)
TERM = st.builds(lambda w, p: lexeme(w) + p, TEXT.filter(bool), st.sampled_from(["", ":*", ":AB", ":*D"]))
TSQUERY = st.recursive(
    TERM,
    lambda inner: (
        st.builds("( {} {} {} )".format, inner, st.sampled_from("&|") | st.just("<3>"), inner) | inner.map("!{}".format)
    ),
    max_leaves=5,
)


# Ranges
def ranges(values: st.SearchStrategy[Any], text: Callable[[Any], str] = str) -> Texts:
    """Ranges over values that can be compared, with open, infinite and equal bounds."""
    finite = st.lists(values, min_size=2, max_size=2).map(sorted)

    def write(bounds: Sequence[Any], opening: str, closing: str, missing: str) -> str:
        lower = "" if "l" in missing else f'"{text(bounds[0])}"'
        upper = "" if "u" in missing else f'"{text(bounds[1])}"'
        return f"{opening}{lower},{upper}{closing}"

    shapes = st.sampled_from(["", "", "l", "u", "lu"])
    return st.builds(write, finite, st.sampled_from("[("), st.sampled_from("])"), shapes) | st.just("empty")


def multiranges(one: Texts) -> Texts:
    return st.lists(one, max_size=4).map(lambda r: "{" + ",".join(r) + "}")


RANGE_INT4 = ranges(st.integers(INT4[0] + 1, INT4[1] - 1))
RANGE_INT8 = ranges(st.integers(INT8[0] + 1, INT8[1] - 1))
RANGE_NUMBER = ranges(st.decimals(-1000, 1000, places=3)) | st.sampled_from(
    ["[NaN,NaN]", "(-Infinity,1e400)" if INFINITE_NUMBERS else "[1,1e400)"]
)
RANGE_DAY = ranges(st.dates()) | st.sampled_from(["[-infinity,infinity)", "[4713-01-01 BC,0044-03-15 BC)"])
RANGE_MOMENT = ranges(st.datetimes()) | st.sampled_from(["[-infinity,infinity]", "(,294276-12-31]"])


# Other
LABELS = ("happy", 'so "so"', "it's, bad", "größer {x}", "")
HSTORE_TEXT = TEXT.map(lambda t: '"' + t.replace("\\", "\\\\").replace('"', '\\"') + '"')
HSTORE = st.lists(st.builds("{}=>{}".format, HSTORE_TEXT, HSTORE_TEXT | st.just("NULL")), max_size=4).map(",".join)
LTREE_LABEL = st.text("abcXYZ019_", min_size=1, max_size=5)
LTREE = st.lists(LTREE_LABEL, max_size=4).map(".".join)
CUBE = st.lists(st.floats(-1e9, 1e9).map(repr), min_size=1, max_size=4).map(lambda n: "(" + ",".join(n) + ")")
VECTOR = st.lists(st.floats(-1e9, 1e9, width=32).map(repr), min_size=3, max_size=3).map(
    lambda n: "[" + ",".join(n) + "]"
)
SNAPSHOT = st.lists(st.integers(1, 10**6), min_size=3, max_size=3, unique=True).map(sorted).map(
    lambda n: f"{n[0]}:{n[2]}:{n[1]}"
) | st.sampled_from(["1:1:", "9223372036854775806:9223372036854775807:"])
TID = st.builds("({},{})".format, st.integers(0, 2**32 - 1), st.integers(0, 65535))
MAC = st.binary(min_size=6, max_size=6).map(lambda b: b.hex(":"))
MAC8 = st.binary(min_size=8, max_size=8).map(lambda b: b.hex(":"))
BYTES = st.binary(max_size=40).map(lambda b: "\\x" + b.hex())
LSN = st.builds("{:X}/{:X}".format, st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))
MONEY = st.integers(*INT8).map(lambda cents: fixed(cents, 2))
BYTE = st.integers(1, 127).filter(lambda n: n != 92).map(chr) | st.sampled_from(["\\351", "\\200", ""])
