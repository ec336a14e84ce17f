"""DuckDB macros that translated views call: T-SQL rules without a DuckDB function, stored in the serving file.

Readers of the file need only DuckDB. Where T-SQL raises an error, ``error`` does as well. A value that a macro uses
more than once is bound by a lambda over a list of one element, so that nested calls do not grow the query.
"""

from __future__ import annotations

import re
from itertools import count

SCHEMA = "tsql"

_TIME = r"[0-9]{1,2}:[0-9]{1,2}(:[0-9]{1,2}(\.[0-9]{1,7})?)?"
# Not dependent on the language: yyyy-mm-dd (also with / and .) and yyyymmdd, both with an optional time; ISO 8601's T.
_MOMENT = (
    rf" *(([0-9]{{4}}[-/.][0-9]{{1,2}}[-/.][0-9]{{1,2}}|[0-9]{{8}})( +{_TIME})?"
    rf"|[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}T{_TIME}) *"
)
_MONTHS = "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec"


_NUMBERS = count(1)


def _bound(value: str, body: str) -> str:
    """In the body ``v`` is the value; each macro renames it, since arguments may contain lambdas as well."""
    name = f"v{next(_NUMBERS)}"
    renamed = re.sub(r"\bv\b", name, body)
    return f"list_transform([{value}], lambda {name}: {renamed})[1]"


def _stop(message: str) -> str:
    return f"error('{message}')"


def _conversion_failed(type_name: str) -> str:
    return _stop(f"Conversion failed when converting a text to data type {type_name}.")


def _parsed(pattern: str, parsed: str, *, blank: str, unclear: str, type_name: str, attempt: bool) -> str:
    """A text conversion; ``unclear`` matches texts whose conversion is undocumented or depends on the session."""
    failed = "NULL" if attempt else _conversion_failed(type_name)
    found = f"coalesce({parsed}, {failed})" if attempt is False else parsed
    not_known = _stop(
        f"A text has no documented conversion to {type_name}; clean it first, or use CONVERT with a style."
    )
    return _bound(
        "s",
        f"CASE WHEN v IS NULL THEN NULL WHEN regexp_full_match(v, '{pattern}') THEN {found} WHEN trim(v, ' ') = '' "
        f"THEN {blank or failed} WHEN {unclear} THEN {not_known} ELSE {failed} END",
    )


def _conversions() -> dict[str, str]:
    signs = r"regexp_full_match(v, '[ +-]*|.*[\t\n\r\x0b\f].*|[ +-]*[.] *|[ ]*[+-] +.*')"
    moment = "trim(regexp_replace(v, '([0-9]{4})[-/.]?([0-9]{1,2})[-/.]?([0-9]{1,2})', '\\1-\\2-\\3'), ' ')"
    too_fine = _stop("A time with parts of a microsecond cannot be shown by DuckDB.")
    finer = r"regexp_matches(v, '\.[0-9]{6}[1-9]')"
    midnight = "regexp_matches(v, '(^|[ T])24:')"  # DuckDB reads 24:00 as the next day
    timestamp = (
        f"CASE WHEN {finer} THEN {too_fine} WHEN {midnight} THEN NULL "
        f"WHEN year(TRY_CAST({moment} AS TIMESTAMP)) BETWEEN 1 AND 9999 THEN TRY_CAST({moment} AS TIMESTAMP) END"
    )
    # Other texts with digits may be dates in some language.
    perhaps = (
        f"regexp_matches(v, '[0-9]') AND (NOT regexp_matches(lower(v), '[a-z]') "
        f"OR regexp_matches(lower(v), '{_MONTHS}|am|pm|[0-9]t[0-9]|z'))"
    )
    time = (
        f"CASE WHEN {finer} THEN {too_fine} WHEN {midnight} THEN NULL "
        "ELSE TRY_CAST(regexp_replace(trim(v, ' '), '^.*[ T]', '') AS TIME) END"
    )
    number = r" *[+-]?([0-9]+[.]?[0-9]*|[.][0-9]+) *"
    real = r" *[+-]?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][+-]?[0-9]+)? *"
    result: dict[str, str] = {}
    for prefix, attempt in (("", False), ("try_", True)):
        integer = "TRY_CAST(trim(v, ' ') AS HUGEINT)"
        result |= {
            f"{prefix}integer_of(s)": _parsed(
                " *[+-]?[0-9]+ *", integer, blank="0", unclear=signs, type_name="int", attempt=attempt
            ),
            f"{prefix}number_text(s)": _parsed(
                number, "trim(v, ' ')", blank="", unclear=signs, type_name="numeric", attempt=attempt
            ),
            f"{prefix}float_of(s)": _parsed(
                real, "TRY_CAST(trim(v, ' ') AS DOUBLE)", blank="0", unclear=signs, type_name="float", attempt=attempt
            ),
            f"{prefix}timestamp_of(s)": _parsed(
                _MOMENT,
                timestamp,
                blank="TIMESTAMP '1900-01-01'",
                unclear=perhaps,
                type_name="date and/or time",
                attempt=attempt,
            ),
            f"{prefix}time_of(s)": _parsed(
                f" *{_TIME} *|{_MOMENT}",
                f"CASE WHEN contains(v, ':') THEN {time} ELSE TIME '00:00:00' END",
                blank="TIME '00:00:00'",
                unclear=perhaps,
                type_name="time",
                attempt=attempt,
            ),
            f"{prefix}bit_of(s)": _parsed(
                " *[+-]?[0-9]+ *|(?i) *(true|false) *",
                f"CASE lower(trim(v, ' ')) WHEN 'true' THEN true WHEN 'false' THEN false ELSE {integer} <> 0 END",
                blank="false",
                unclear=signs,
                type_name="bit",
                attempt=attempt,
            ),
        }
    return result


def _cased(function: str) -> str:
    kept = f"replace({function}(replace(v, 'ß', chr(57344))), chr(57344), 'ß')"
    unclear = _stop(f"{function.upper()} of one of the characters in ıſµİẞ is not documented; replace it first.")
    return _bound(
        "s",
        f"CASE WHEN strlen(v) = length(v) THEN {function}(v) "
        f"WHEN regexp_matches(v, '[ıſµİẞ]') THEN {unclear} ELSE {kept} END",
    )


def _texts() -> dict[str, str]:
    too_long = _stop("A text is longer than the 8000 bytes of its type; CAST the parts to varchar(max).")
    fits = "lambda k: strlen(left(v, k)) <= n"
    units = "length({0}) + length(regexp_replace({0}, '[^\\x{{10000}}-\\x{{10FFFF}}]', '', 'g'))".format
    return {
        # Equality ignores trailing blanks; sorting compares as if the shorter text were padded with blanks.
        "key(s)": "CASE WHEN suffix(s, ' ') THEN rtrim(s, ' ') ELSE s END",
        "sort_key(s)": f"rtrim(s, ' ') || '{' ' * 16}'",
        # VARCHAR(n) counts bytes and never keeps half a character; NVARCHAR(n) counts byte pairs.
        "cut(s, n)": _bound(
            "s",
            "CASE WHEN strlen(v) <= n THEN v WHEN strlen(v) = length(v) THEN left(v, n) "
            f"ELSE left(v, list_max(list_filter(range(n // 4, n + 1), {fits}))) END",
        ),
        "cut_units(s, n)": _bound(
            "s",
            f"CASE WHEN strlen(v) <= n OR {units('v')} <= n THEN v "
            f"ELSE left(v, list_max(list_filter(range(n // 2, n + 1), lambda k: {units('left(v, k)')} <= n))) END",
        ),
        "fill(s, n)": _bound("s", "v || repeat(' ', n - strlen(v))"),
        "fill_units(s, n)": _bound("s", f"v || repeat(' ', n - ({units('v')}))"),
        # DuckDB converts ß to ẞ; the mappings of the other characters are not documented for the collation.
        "upper_of(s)": _cased("upper"),
        "lower_of(s)": _cased("lower"),
        "units(s)": _bound("s", units("v")),
        "fitting(s, n)": _bound(
            "s", f"CASE WHEN length(v) > n THEN {_stop('Arithmetic overflow error converting to text.')} ELSE v END"
        ),
        "star(s, n)": _bound("s", "CASE WHEN length(v) > n THEN '*' ELSE v END"),
        "bit_text(x)": "CASE x WHEN true THEN '1' WHEN false THEN '0' END",
        "not_negative(n)": _bound(
            "n", f"CASE WHEN v < 0 THEN {_stop('Invalid length parameter passed to a text function.')} ELSE v END"
        ),
        # SUBSTRING counts from 1; positions before 1 reduce the length.
        "substring(s, start, n)": "substr(s, greatest(start, 1), greatest(n + least(start, 1) - 1, 0))",
        "position(pattern, s, start)": _bound(
            "{'p': pattern, 's': substr(s, greatest(start, 1)), 'f': greatest(start, 1) - 1}",
            "CASE WHEN v.p IS NULL OR v.s IS NULL OR v.f IS NULL THEN NULL WHEN v.p = '' THEN 0 "
            "WHEN instr(v.s, v.p) > 0 THEN instr(v.s, v.p) + v.f ELSE 0 END",
        ),
        "replicate(s, n)": "CASE WHEN n >= 0 THEN repeat(s, n) END",
        "stuff(s, start, n, other)": (
            "CASE WHEN start IS NULL OR n IS NULL OR start <= 0 OR n < 0 OR start > length(s) THEN NULL "
            "ELSE left(s, start - 1) || coalesce(other, '') || substr(s, start + n) END"
        ),
        "at_most(s, n)": _bound(
            "s",
            f"CASE WHEN strlen(v) > n THEN {too_long} ELSE v END",
        ),
    }


def _numbers() -> dict[str, str]:
    overflow = _stop("Arithmetic overflow error.")
    return {
        "nonzero(x)": _bound("x", f"CASE WHEN v = 0 THEN {_stop('Divide by zero error encountered.')} ELSE v END"),
        "finite(x)": _bound(
            "x", f"CASE WHEN isinf(v) OR isnan(v) THEN {_stop('Arithmetic overflow error for type float.')} ELSE v END"
        ),
        "within(x, most)": _bound("x", f"CASE WHEN abs(v) > most THEN {overflow} ELSE v END"),
        # n / 10^k, rounded half away from zero
        "scaled_down(n, p)": _bound("n", "(v + CASE WHEN v < 0 THEN -(p // 2) ELSE p // 2 END) // p"),
    }


def _dates() -> dict[str, str]:
    out = _stop("Adding a value to a date column caused an overflow.")
    shift = 8_640_000_000_000_000  # 100,000 days, so that the dividend is positive
    first = (shift - 6_847_804_800_000_000) * 3 // 10000  # 1753-01-01
    too_early = _stop("A datetime before 1753 is out of range; use datetime2.")
    return {
        "hour_of(n)": _bound(
            "n", f"CASE WHEN v NOT BETWEEN 0 AND 23 THEN {_stop('An hour must be from 0 to 23.')} ELSE v END"
        ),
        "valid_date(d)": _bound("d", f"CASE WHEN year(v) NOT BETWEEN 1 AND 9999 THEN {out} ELSE v END"),
        "round_time(ts, unit)": _bound("epoch_us(ts) + unit // 2", "make_timestamp(v - (v % unit + unit) % unit)"),
        # datetime has 300 steps in a second, printed as .000, .003 and .007
        "datetime_of(ts)": _bound(
            f"(({shift} + epoch_us(ts)) * 3 + 5000) // 10000",
            f"CASE WHEN v < {first} THEN {too_early} "
            f"ELSE make_timestamp(CAST((v * 20 + 3) // 6 * 1000 - {shift} AS BIGINT)) END",
        ),
        "exact_datetime(ts)": _bound(
            "ts", "v + to_microseconds(CASE (microsecond(v) // 1000) % 10 WHEN 3 THEN 333 WHEN 7 THEN -333 ELSE 0 END)"
        ),
        "whole_milliseconds(ts)": _bound(
            "ts",
            "CASE WHEN (microsecond(v) // 1000) % 10 <> 0 THEN "
            + _stop("A datetime has steps of 1/300 second, which DuckDB cannot show in datetime2(7); use datetime2(3).")
            + " ELSE v END",
        ),
        "week_index(d)": "CAST(floor((date_diff('day', DATE '1970-01-01', d) + 4) / 7) AS BIGINT)",
        "now()": "make_timestamp(epoch_us(current_timestamp))",
    }


def _documents() -> dict[str, str]:
    """JSON with its numbers as texts: T-SQL returns a number as written, DuckDB's JSON functions do not."""
    parts = r"""'"(?:[^"\\\\]|\\\\.)*"|-?[0-9][0-9.eE+-]*|[^"0-9-]+|-'""".replace("\\\\", "\\")
    number = "regexp_matches(p, '^-?[0-9]')"
    as_text = "'\"' || p || '\"'"
    texts = f"list_transform(regexp_extract_all(v, {parts}), lambda p: CASE WHEN {number} THEN {as_text} ELSE p END)"
    return {
        "json_texts(s)": _bound(
            "s",
            "CASE WHEN v IS NULL THEN NULL "
            f"WHEN NOT json_valid(v) THEN {_stop('JSON text is not properly formatted.')} "
            f"ELSE array_to_string({texts}, '') END",
        )
    }


def _statements() -> tuple[str, ...]:
    bodies = _texts() | _numbers() | _dates() | _documents() | _conversions()
    return (f"CREATE SCHEMA {SCHEMA}", *(f"CREATE MACRO {SCHEMA}.{head} AS {body}" for head, body in bodies.items()))


MACROS = _statements()
