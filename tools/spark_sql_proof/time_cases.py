"""Functions of dates and timestamps, with units, patterns and zones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from tools.spark_sql_proof.cases import DATE_TEXTS, TIMES, UNITS, Case, each, filled, with_literals
from tools.spark_sql_proof.grid import VALUES, column_name


def times() -> Iterator[Case]:
    """Yield every case, without amounts that go beyond the years 1 to 9999, which no table of the lake contains."""
    for item in _times():
        wanted = item.where
        for side, index in (("a", "i"), ("b", "j")):
            for kind in ("int", "bigint"):
                if column_name(side, kind) in item.text and not item.text.startswith("make_"):
                    far = [n for n, value in enumerate(VALUES[kind]) if value is not None and abs(value) > _FAR[kind]]
                    wanted += f" AND {index} NOT IN ({', '.join(map(str, far))})"
        yield replace(item, where=wanted)


_FAR = {"int": 2**31 - 2, "bigint": 2**37}


def _times() -> Iterator[Case]:
    parts = [
        "year",
        "quarter",
        "month",
        "day",
        "dayofmonth",
        "dayofweek",
        "weekday",
        "dayofyear",
        "weekofyear",
        "last_day",
    ]
    parts += [
        "hour",
        "minute",
        "second",
        "dayname",
        "monthname",
        "unix_date",
        "unix_seconds",
        "unix_millis",
        "unix_micros",
    ]
    parts += ["unix_timestamp", "to_unix_timestamp", "to_date", "to_timestamp", "date", "timestamp"]
    yield from each([f"{part}({{0}})" for part in parts], [*TIMES, "string"])
    fields = [
        *UNITS,
        "dow",
        "doy",
        "dayofweek",
        "dayofweek_iso",
        "dow_iso",
        "isodow",
        "yearofweek",
        "weeks",
        "years",
        "months",
        "days",
        "epoch",
        "millisecond",
        "decade",
    ]
    for field in fields:
        yield from each(
            [
                f"extract({field.upper()} FROM {{0}})",
                f"date_part('{field}', {{0}})",
                f"date_part('{field.upper()}', {{0}})",
                f"datepart('{field}', {{0}})",
            ],
            TIMES,
        )
    for unit in [*UNITS, "yyyy", "mm", "mon", "dd", "week", "yy", "month", "quarter", "millisecond", "microsecond"]:
        for spelt in {unit, unit.upper(), unit.capitalize()}:
            yield from each([f"date_trunc('{spelt}', {{0}})", f"trunc({{0}}, '{spelt}')"], TIMES)
    yield from each(
        ["date_add({0}, {1})", "date_sub({0}, {1})", "add_months({0}, {1})", "{0} + {1}", "{0} - {1}"],
        TIMES,
        ["int", "smallint", "bigint"],
    )
    yield from with_literals(
        [
            "date_add({0}, {1})",
            "date_sub({0}, {1})",
            "add_months({0}, {1})",
            "{0} + {1}",
            "{0} - {1}",
            "dateadd({0}, {1})",
        ],
        TIMES,
        ["0", "1", "-1", "7", "12", "30", "365"],
    )
    yield from each(
        [
            "datediff({0}, {1})",
            "date_diff({0}, {1})",
            "months_between({0}, {1})",
            "{0} - {1}",
            "months_between({0}, {1}, false)",
        ],
        TIMES,
        TIMES,
    )
    yield from with_literals(
        ["datediff({0}, {1})", "datediff({1}, {0})", "months_between({0}, {1})"], TIMES, DATE_TEXTS
    )
    for unit in [*UNITS, "millisecond", "microsecond"]:
        spelt = unit.upper()
        yield from each(
            [
                f"timestampdiff({spelt}, {{0}}, {{1}})",
                f"datediff({spelt}, {{0}}, {{1}})",
                f"date_diff({spelt}, {{0}}, {{1}})",
            ],
            TIMES,
            TIMES,
        )
        yield from each(
            [
                f"timestampadd({spelt}, {{1}}, {{0}})",
                f"dateadd({spelt}, {{1}}, {{0}})",
                f"date_add({spelt}, {{1}}, {{0}})",
            ],
            TIMES,
            ["int", "smallint"],
        )
        for amount in ("1", "-1", "7"):
            yield from each(
                [
                    f"timestampadd({spelt}, {amount}, {{0}})",
                    f"dateadd({spelt}, {amount}, {{0}})",
                    f"date_add({spelt}, {amount}, {{0}})",
                ],
                TIMES,
            )
        for amount in ("1", "-1", "3", "13", "40"):
            yield from each(
                [
                    f"{{0}} + INTERVAL {amount} {spelt}",
                    f"{{0}} - INTERVAL {amount} {spelt}",
                    f"INTERVAL '{amount}' {spelt} + {{0}}",
                ],
                TIMES,
            )
    for weekday in ("'Mon'", "'MO'", "'Sunday'", "'FRI'", "'tue'", "'SUN'"):
        yield from each([f"next_day({{0}}, {weekday})"], TIMES)
    tokens = [
        "yyyy",
        "yy",
        "y",
        "MM",
        "M",
        "MMM",
        "MMMM",
        "dd",
        "d",
        "HH",
        "H",
        "hh",
        "h",
        "mm",
        "m",
        "ss",
        "s",
        "SSS",
        "SSSSSS",
        "S",
        "a",
        "E",
        "EEE",
        "EEEE",
        "D",
        "DDD",
        "Q",
        "QQ",
        "QQQ",
        "q",
        "w",
        "W",
        "u",
        "F",
        "G",
        "L",
        "LL",
        "LLL",
        "LLLL",
        "z",
        "Z",
        "X",
        "XXX",
        "VV",
        "SS",
    ]
    patterns = [
        "yyyy-MM-dd",
        "yyyyMMdd",
        "yyyy-MM",
        "dd.MM.yyyy",
        "MM/dd/yyyy",
        "yyyy-MM-dd HH:mm:ss",
        "HH:mm",
        "yyyyMM",
        "MMM yyyy",
        "yyyy-MM-dd HH:mm:ss.SSS",
        "yyyy-'Q'Q",
        "yyyy-MM-dd''T''HH:mm:ss",
        "EEEE, d MMMM yyyy",
        "hh:mm a",
        "yyyy/MM/dd",
        "yyyy-DDD",
        "MMMM",
        "dd MMM yyyy",
        "yyyyMMddHHmmss",
    ]
    for pattern in [*tokens, *patterns]:
        quoted = pattern.replace("''", "\\'") if "''" in pattern else pattern.replace("'", "\\'")
        yield from each([f"date_format({{0}}, '{quoted}')"], TIMES)
    for pattern in (
        "yyyy-MM-dd",
        "yyyyMMdd",
        "dd.MM.yyyy",
        "MM/dd/yyyy",
        "yyyy-MM-dd HH:mm:ss",
        "yyyy-MM-dd HH:mm:ss.SSSSSS",
        "yyyy/MM/dd",
        "yyyy-MM-dd HH:mm",
    ):
        yield from each(
            [
                f"to_date({{0}}, '{pattern}')",
                f"to_timestamp({{0}}, '{pattern}')",
                f"try_to_timestamp({{0}}, '{pattern}')",
                f"unix_timestamp({{0}}, '{pattern}')",
            ],
            ["string"],
        )
        yield from each(
            [
                f"to_date(date_format({{0}}, '{pattern}'), '{pattern}')",
                f"to_timestamp(date_format({{0}}, '{pattern}'), '{pattern}')",
            ],
            TIMES,
        )
        yield from each([f"from_unixtime({{0}}, '{pattern}')"], ["int", "bigint"])
    for zone in ("'America/New_York'", "'Europe/Berlin'", "'UTC'", "'Asia/Kolkata'", "'+02:00'", "'Australia/Sydney'"):
        yield from each(
            [
                f"from_utc_timestamp({{0}}, {zone})",
                f"to_utc_timestamp({{0}}, {zone})",
                f"convert_timezone('UTC', {zone}, {{0}})",
                f"convert_timezone({zone}, {{0}})",
            ],
            TIMES,
        )
    yield from each(
        [
            "from_unixtime({0})",
            "timestamp_seconds({0})",
            "timestamp_millis({0})",
            "timestamp_micros({0})",
            "date_from_unix_date({0})",
            "to_timestamp({0})",
        ],
        ["int", "bigint"],
    )
    yield from each(
        [
            "make_date({0}, 1, 1)",
            "make_date(2024, {0}, 29)",
            "make_date({0}, 12, 31)",
            "make_timestamp({0}, 1, 1, 0, 0, 0)",
            "make_timestamp(2024, 2, 29, 1, 2, 3.5)",
        ],
        ["int"],
    )
    yield from each(["make_date({0}, {1}, {2})"], ["int"], ["int"], ["int"])
    yield from each(
        [
            "sequence({0}, date_add({0}, 2))",
            "try_to_timestamp(CAST({0} AS STRING))",
            "to_char({0}, 'yyyy')",
        ],
        TIMES,
    )
    near = "(0, 1, 3, 4, 5, 9, 11)"  # dates of a few years: every pair is a sequence
    for unit in ("DAY", "WEEK", "MONTH", "YEAR"):
        text = filled(f"sequence({{0}}, {{1}}, INTERVAL 1 {unit})", column_name("a", "date"), column_name("b", "date"))
        yield Case(text, f"i IN {near} AND j IN {near}")
    yield Case(filled("sequence({0}, {1})", "a_date", "b_date"), f"i IN {near} AND j IN {near}")
