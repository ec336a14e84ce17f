"""What people write in gold models: each operation on each combination of types."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product

from local.spark_sql_proof.grid import SIDES, VALUES, column_name, rows_of


@dataclass(frozen=True)
class Case:
    """An expression over the grid, and the rows on which it is compared.

    Args:
        text: the expression; a whole query in the mode ``query``.
        where: condition for the rows.
        about: the operation that is compared where it is not the outermost one.
        mode: ``rows``: a value or an error for each row; ``groups``: an aggregate for each j; ``windows``: a value for
            each row, but one error stops all; ``query``: a whole query.
    """

    text: str
    where: str
    about: str = ""
    mode: str = "rows"


WHOLE = ["smallint", "int", "bigint"]
FLOATS = ["float", "double"]
DECIMALS = ["decimal(10,2)", "decimal(18,6)", "decimal(38,18)", "decimal(38,0)", "decimal(5,0)"]
NUMBERS = [*WHOLE, *FLOATS, *DECIMALS]
TIMES = ["date", "timestamp"]
PLAIN = ["boolean", *NUMBERS, "string", "binary", *TIMES]
ARRAYS = ["array<int>", "array<string>", "array<double>", "array<decimal(10,2)>", "array<date>"]
NUMBER_LITERALS = ["1", "0", "-1", "100", "0.5", "100.0", "1e0", "3000000000"]
DATE_TEXTS = ["'2024-02-29'", "'1970-01-01'", "'9999-12-31'", "'0001-01-01'"]
TIME_TEXTS = ["'2024-02-29 23:59:59'", "'1970-01-01 00:00:00.123456'"]
NUMBER_TEXTS = ["'12'", "'-3'", "'0'"]
DECIMAL_TEXTS = ["'1.5'", "'-0.25'"]
WORDS = ["'abc'", "''", "'A'", "'ÄÖü ß'", "'a'", "'b'"]
UNITS = ["year", "quarter", "month", "week", "day", "hour", "minute", "second"]


def case(template: str, *kinds: str) -> Case:
    """``{0}`` is the first column."""
    names = [column_name(SIDES[position], kind) for position, kind in enumerate(kinds)]
    return Case(filled(template, *names), rows_of(list(kinds)), _about(template))


def filled(template: str, *parts: str) -> str:
    """The template with its arguments; other braces stay (regular expressions have some)."""
    for position, part in enumerate(parts):
        template = template.replace(f"{{{position}}}", part)
    return template


def each(templates: Sequence[str], *choices: Sequence[str]) -> Iterator[Case]:
    """Every template on every combination of types."""
    for template, kinds in product(templates, product(*choices)):
        yield case(template, *kinds)


def with_literals(templates: Sequence[str], kinds: Sequence[str], literals: Sequence[str]) -> Iterator[Case]:
    """Every template on every type and literal, which ``{1}`` is."""
    for template, kind, literal in product(templates, kinds, literals):
        yield Case(filled(template, column_name("a", kind), literal), rows_of([kind]), _about(template))


def _about(template: str) -> str:
    return "case =" if template.startswith("CASE {0}") else ""


def operators() -> Iterator[Case]:
    arithmetic = [f"{{0}} {operator} {{1}}" for operator in ("+", "-", "*", "/", "%")]
    comparisons = [f"{{0}} {operator} {{1}}" for operator in ("=", "<>", "<", "<=", ">", ">=", "<=>")]
    comparisons += ["{0} IS DISTINCT FROM {1}", "{0} BETWEEN {1} AND {1}", "{0} IN ({1})"]
    swapped = [f"{{1}} {operator} {{0}}" for operator in ("+", "-", "*", "/", "%", "=", "<>", "<", "<=", ">", ">=")]
    yield from each([*arithmetic, *comparisons], NUMBERS, NUMBERS)
    yield from with_literals([*arithmetic, *comparisons, *swapped], NUMBERS, NUMBER_LITERALS)
    yield from each(["{0} div {1}"], [*WHOLE, "decimal(10,2)"], [*WHOLE, "decimal(10,2)"])
    yield from with_literals(["{0} div {1}", "{1} div {0}"], [*WHOLE, "decimal(10,2)"], ["1", "2", "60", "100", "0"])
    same = [kind for kind in PLAIN if kind not in NUMBERS]
    for kind in [*same, *ARRAYS]:
        yield from each(comparisons, [kind], [kind])
    yield from each(comparisons, ["date"], ["timestamp"])
    yield from each(comparisons, ["timestamp"], ["date"])
    for kind in [*NUMBERS, *TIMES, "boolean"]:
        yield from each(comparisons, ["string"], [kind])
        yield from each(comparisons, [kind], ["string"])
    yield from with_literals(comparisons, ["string"], [*WORDS, *DATE_TEXTS, *NUMBER_TEXTS, *DECIMAL_TEXTS, *TIME_TEXTS])
    yield from with_literals([*comparisons, *swapped[5:]], TIMES, [*DATE_TEXTS, *TIME_TEXTS])
    yield from with_literals([*comparisons, *swapped[5:]], NUMBERS, NUMBER_TEXTS)
    yield from with_literals([*comparisons, *swapped[5:]], [*FLOATS, *DECIMALS], DECIMAL_TEXTS)
    yield from with_literals(comparisons, ["boolean"], ["true", "false", "'true'"])
    yield from with_literals(["{0} = {1}", "{1} = {0}", "{0} <=> {1}", "{0} <> {1}", "{0} IN ({1})"], PLAIN, ["NULL"])
    yield from each([f"{{0}} {operator} {{1}}" for operator in ("+", "-", "*", "/", "%")], ["string"], NUMBERS)
    yield from each([f"{{0}} {operator} {{1}}" for operator in ("+", "-", "*", "/", "%")], NUMBERS, ["string"])
    yield from each(["{0} AND {1}", "{0} OR {1}"], ["boolean"], ["boolean"])
    yield from with_literals(
        ["{0} AND {1}", "{0} OR {1}", "{1} AND {0}", "{1} OR {0}"], ["boolean"], ["true", "false", "NULL"]
    )
    yield from each(["NOT {0}", "{0} IS TRUE", "{0} IS FALSE", "{0} IS NOT TRUE"], ["boolean"])
    yield from each(["{0} IS NULL", "{0} IS NOT NULL", "isnull({0})", "isnotnull({0})"], [*PLAIN, *ARRAYS])
    yield from each(["-{0}"], NUMBERS)
    yield from each(["{0} & {1}", "{0} | {1}", "{0} ^ {1}"], WHOLE, WHOLE)
    yield from each(["{0} || {1}"], ["string"], PLAIN)
    yield from each(["{0} || {1}"], PLAIN, ["string"])
    yield from with_literals(["{0} || {1}", "{1} || {0}"], PLAIN, ["'-'", "' '"])
    for array in ARRAYS:
        yield from each(["{0} || {1}", "concat({0}, {1})"], [array], [array])


def casts() -> Iterator[Case]:
    targets = ["BOOLEAN", "TINYINT", "SMALLINT", "INT", "BIGINT", "FLOAT", "DOUBLE", "STRING", "DATE", "TIMESTAMP"]
    targets += ["BINARY", "DECIMAL(10,2)", "DECIMAL(38,18)", "DECIMAL(5,0)", "DECIMAL(38,0)", "DECIMAL(18,6)"]
    exponent = f"i <> {VALUES['string'].index('1e3')}"
    for target in targets:
        for item in each([f"CAST({{0}} AS {target})", f"try_cast({{0}} AS {target})"], PLAIN):
            # Sail reads no number with an exponent as a decimal: there it stops, which docs/spark-sql.md says.
            reads_text = "DECIMAL" in target and column_name("a", "string") in item.text
            yield replace(item, where=f"({item.where}) AND {exponent}") if reads_text else item
        yield from each([f"CAST({{0}} AS {target})"], ["array<int>", "map<string,int>", "struct<a:int,b:string>"])
        literals = [
            *WORDS[:2],
            *DATE_TEXTS,
            *TIME_TEXTS,
            *NUMBER_TEXTS,
            *DECIMAL_TEXTS,
            "1",
            "0",
            "-1",
            "1.5",
            "100",
            "NULL",
        ]
        literals += ["true", "1e3"]
        yield from (Case(f"CAST({text} AS {target})", "id = 0") for text in literals)
    for name in ("int", "bigint", "double", "string", "date", "boolean", "float", "smallint", "timestamp"):
        yield from each([f"{name}({{0}})"], PLAIN)
    yield from each(["decimal({0})"], [kind for kind in PLAIN if kind != "string"])
    yield from each(["CAST({0} AS ARRAY<STRING>)", "CAST({0} AS ARRAY<BIGINT>)"], ["array<int>"])


def conditionals() -> Iterator[Case]:
    pairs = ["coalesce({0}, {1})", "nvl({0}, {1})", "ifnull({0}, {1})", "nullif({0}, {1})", "greatest({0}, {1})"]
    pairs += ["least({0}, {1})", "CASE WHEN {0} IS NULL THEN {1} ELSE {0} END", "if({0} IS NULL, {1}, {0})"]
    pairs += ["nvl2({0}, {1}, {0})", "CASE {0} WHEN {1} THEN 1 ELSE 0 END", "array({0}, {1})"]
    yield from each(pairs, NUMBERS, NUMBERS)
    for kind in [*(k for k in PLAIN if k not in NUMBERS), *ARRAYS]:
        yield from each(pairs, [kind], [kind])
    for left, right in [("date", "timestamp"), ("timestamp", "date"), ("string", "int"), ("int", "string")]:
        yield from each(pairs, [left], [right])
    yield from each(pairs, ["string"], ["date", "timestamp", "decimal(10,2)", "double", "boolean"])
    yield from each(pairs, ["date", "timestamp", "decimal(10,2)", "double", "boolean"], ["string"])
    yield from with_literals(pairs, [*PLAIN, *ARRAYS], ["NULL"])
    yield from with_literals(
        [pair for pair in pairs if "null" in pair.lower() or "CASE {0}" in pair], NUMBERS, ["0", "1", "0.0", "-1"]
    )
    yield from with_literals(
        [pair for pair in pairs if "null" in pair.lower() or "CASE {0}" in pair], ["string"], WORDS
    )
    yield from each(
        ["CASE WHEN {0} THEN 1 END", "CASE WHEN NOT {0} THEN 'x' WHEN {0} THEN 'y' ELSE 'z' END"], ["boolean"]
    )
    yield from each(["array({0})", "nvl2({0}, 1, 0)"], PLAIN)
    yield from with_literals(["decode({0}, {1}, 'x', 'y')"], ["int", "string"], ["1", "'abc'", "NULL"])


def mathematics() -> Iterator[Case]:
    unary = [
        "abs",
        "sign",
        "signum",
        "ceil",
        "ceiling",
        "floor",
        "round",
        "bround",
        "sqrt",
        "exp",
        "ln",
        "log10",
        "log2",
    ]
    unary += [
        "log",
        "sin",
        "cos",
        "tan",
        "asin",
        "acos",
        "atan",
        "cbrt",
        "degrees",
        "radians",
        "isnan",
        "positive",
        "negative",
    ]
    unary += [
        "factorial",
        "hex",
        "bin",
        "rint",
        "log1p",
        "expm1",
        "sinh",
        "cosh",
        "tanh",
        "cot",
        "bit_count",
        "try_negative",
    ]
    yield from each([f"{name}({{0}})" for name in unary], NUMBERS)
    yield from with_literals(
        ["round({0}, {1})", "bround({0}, {1})"], NUMBERS, ["0", "1", "2", "3", "4", "6", "-1", "-2"]
    )
    few = ["int", "bigint", "double", "decimal(10,2)", "decimal(38,18)"]
    yield from with_literals(["ceil({0}, {1})", "floor({0}, {1})"], NUMBERS, ["0", "1", "2", "-1"])
    yield from each(["pow({0}, {1})", "power({0}, {1})", "mod({0}, {1})", "pmod({0}, {1})"], few, few)
    yield from with_literals(
        ["pow({0}, {1})", "power({0}, {1})", "mod({0}, {1})", "pmod({0}, {1})"], NUMBERS, ["2", "3", "0.5", "7"]
    )
    yield from each(["atan2({0}, {1})", "hypot({0}, {1})", "log({0}, {1})", "nanvl({0}, {1})"], ["double"], ["double"])
    names = ["try_add", "try_subtract", "try_multiply", "try_divide", "try_mod"]
    yield from each([f"{name}({{0}}, {{1}})" for name in names], few, few)
    yield from with_literals([f"{name}({{0}}, {{1}})" for name in names], few, ["1", "0", "1.5"])
    yield from each(["shiftleft({0}, 2)", "shiftright({0}, 2)"], ["int", "bigint"])
    yield from each(["width_bucket({0}, 0.0D, 10.0D, 5)"], ["double", "int"])
    yield from each(["conv({0}, 10, 16)", "unhex({0})"], ["string", "int"])
    yield from each(["e()", "pi()"])


def texts() -> Iterator[Case]:
    unary = [
        "upper",
        "lower",
        "ucase",
        "lcase",
        "trim",
        "ltrim",
        "rtrim",
        "btrim",
        "length",
        "len",
        "char_length",
        "crc32",
    ]
    unary += [
        "character_length",
        "octet_length",
        "bit_length",
        "reverse",
        "initcap",
        "ascii",
        "soundex",
        "base64",
        "md5",
    ]
    unary += [
        "sha",
        "sha1",
        "hex",
        "unhex",
        "unbase64",
        "xxhash64",
        "hash",
        "char",
        "chr",
        "space",
        "quote",
        "url_encode",
    ]
    unary += ["url_decode", "json_array_length", "luhn_check", "to_binary", "is_valid_utf8", "mask", "sentences"]
    yield from each([f"{name}({{0}})" for name in unary], ["string"])
    yield from each(
        [f"{name}({{0}})" for name in ("md5", "sha1", "hex", "base64", "length", "xxhash64", "hash", "crc32")],
        ["binary"],
    )
    yield from each(["xxhash64({0})", "hash({0})"], [*PLAIN, *ARRAYS])
    yield from each(
        ["sha2({0}, 256)", "sha2({0}, 512)", "sha2({0}, 224)", "sha2({0}, 384)", "sha2({0}, 0)"], ["string", "binary"]
    )
    yield from each(["length({0})", "upper({0})", "lower({0})", "trim({0})", "md5({0})"], [*NUMBERS, *TIMES, "boolean"])
    yield from each(["char({0})", "chr({0})", "space({0})", "hex({0})"], ["int", "bigint"])
    pairs = [
        "instr({0}, {1})",
        "locate({1}, {0})",
        "position({1} IN {0})",
        "position({1}, {0})",
        "startswith({0}, {1})",
    ]
    pairs += [
        "endswith({0}, {1})",
        "contains({0}, {1})",
        "split({0}, {1})",
        "levenshtein({0}, {1})",
        "concat({0}, {1})",
    ]
    pairs += [
        "concat_ws({1}, {0})",
        "concat_ws({0}, {1})",
        "find_in_set({1}, {0})",
        "{0} LIKE {1}",
        "{0} NOT LIKE {1}",
        "{0} ILIKE {1}",
    ]
    pairs += [
        "trim(BOTH {1} FROM {0})",
        "trim(LEADING {1} FROM {0})",
        "trim(TRAILING {1} FROM {0})",
        "ltrim({1}, {0})",
        "btrim({0}, {1})",
    ]
    pairs += ["charindex({1}, {0})", "rtrim({1}, {0})"]
    yield from each(pairs, ["string"], ["string"])
    literals = [
        "'a'",
        "'b'",
        "'abc'",
        "' '",
        "','",
        "'-'",
        "''",
        "'Ä'",
        "'x'",
        "'a%'",
        "'%b%'",
        "'_b%'",
        "'%'",
        "'ABC'",
        "'|'",
        "'.'",
    ]
    yield from with_literals(pairs, ["string"], literals)
    yield from each(["concat({0}, {1})", "concat_ws('-', {0}, {1})", "concat({1}, {0})"], ["string"], PLAIN)
    yield from each(["concat({0}, {1})"], NUMBERS, NUMBERS)
    yield from each(["concat_ws({0}, {1})", "concat_ws(',', {1})"], ["string"], ["array<string>"])
    yield from with_literals(
        ["concat_ws('-', {0})", "concat_ws({1}, {0})", "concat_ws({1}, {0}, {0})"], PLAIN, ["','", "' '", "''"]
    )
    yield from with_literals(
        ["left({0}, {1})", "right({0}, {1})", "repeat({0}, {1})", "substring({0}, {1})", "substr({0}, {1})"],
        ["string"],
        ["0", "1", "2", "3", "-1", "-2", "10"],
    )
    yield from each(
        ["left({0}, {1})", "right({0}, {1})", "substring({0}, {1})", "substr({0}, {1})"], ["string"], ["int"]
    )
    for start, length in product(["1", "2", "0", "-2", "4"], ["0", "1", "2", "3", "10", "-1"]):
        yield from each([f"substring({{0}}, {start}, {length})", f"substr({{0}}, {start}, {length})"], ["string"])
    yield from each(["substring({0}, {1}, {2})", "substr({0}, {1}, {2})"], ["string"], ["int"], ["int"])
    yield from each(["substring({0} FROM 2 FOR 3)", "substring({0} FROM 2)"], ["string"])
    for name, length, pad in product(["lpad", "rpad"], ["0", "1", "2", "5", "10"], ["'0'", "' '", "'xy'", "'Ä'", "''"]):
        yield from each([f"{name}({{0}}, {length}, {pad})"], ["string"])
    yield from each(["lpad({0}, 5)", "rpad({0}, 5)"], ["string"])
    for one, other in [
        ("'a'", "'x'"),
        ("'abc'", "''"),
        ("' '", "''"),
        ("''", "'x'"),
        ("','", "';'"),
        ("'Ä'", "'ae'"),
        ("'.'", "','"),
    ]:
        yield from each([f"replace({{0}}, {one}, {other})", f"translate({{0}}, {one}, {other})"], ["string"])
    yield from each(["replace({0}, {1}, {2})", "translate({0}, {1}, {2})"], ["string"], ["string"], ["string"])
    yield from each(["replace({0}, 'a')", "replace({0}, {1})"], ["string"], ["string"])
    for part in ("1", "2", "-1", "3"):
        yield from each(
            [
                f"split_part({{0}}, ',', {part})",
                f"split_part({{0}}, ' ', {part})",
                f"substring_index({{0}}, ',', {part})",
            ],
            ["string"],
        )
        yield from each(
            [
                f"split_part({{0}}, '-', {part})",
                f"substring_index({{0}}, '-', {part})",
                f"split({{0}}, ',')[{int(part) % 3}]",
            ],
            ["string"],
        )
    yield from each(
        [
            "split({0}, ',', 2)",
            "split({0}, ',', -1)",
            "size(split({0}, ','))",
            "split({0}, '[,-]')",
            "split({0}, '\\\\s+')",
        ],
        ["string"],
    )
    for pattern in (
        "'[0-9]+'",
        "'[^0-9]'",
        "'^a'",
        "'c$'",
        "'(a)(b)'",
        "'[A-Za-z]+'",
        "' +'",
        "'[a-z]{2}'",
        "'(\\\\d+)-(\\\\d+)'",
        "'\\\\s'",
        "'\\\\w+'",
        "'\\\\D'",
        "'.'",
        "'[ÄÖ]'",
        "'(?i)ABC'",
        "'^.*$'",
    ):
        yield from each(
            [
                f"{{0}} RLIKE {pattern}",
                f"regexp_replace({{0}}, {pattern}, 'X')",
                f"regexp_replace({{0}}, {pattern}, '')",
            ],
            ["string"],
        )
        yield from each(
            [
                f"regexp_extract({{0}}, {pattern}, 0)",
                f"regexp_like({{0}}, {pattern})",
                f"regexp_count({{0}}, {pattern})",
            ],
            ["string"],
        )
        yield from each(
            [f"regexp_substr({{0}}, {pattern})", f"regexp({{0}}, {pattern})", f"rlike({{0}}, {pattern})"], ["string"]
        )
    yield from each(
        [
            "regexp_extract({0}, '(a)(b)', 1)",
            "regexp_extract({0}, '(a)(b)', 2)",
            "regexp_extract({0}, '([a-z]+)', 1)",
            "regexp_extract({0}, '([0-9]+)', 1)",
            "regexp_extract({0}, '([a-z]+)')",
            "regexp_replace({0}, '(a)(b)', '$2$1')",
        ],
        ["string"],
    )
    yield from with_literals(["format_number({0}, {1})"], NUMBERS, ["0", "2", "4"])
    yield from each(["format_string('%d', {0})", "format_string('%05d', {0})", "printf('%d', {0})"], WHOLE)
    yield from each(["format_string('%s', {0})"], PLAIN)
    yield from each(["format_string('%.2f', {0})"], [*FLOATS, "decimal(10,2)"])
    yield from each(
        ["overlay({0} PLACING 'X' FROM 2)", "overlay({0}, 'X', 2)", "elt(1, {0}, 'x')", "field({0}, 'a', 'abc')"],
        ["string"],
    )
    yield from each(
        ["encode({0}, 'UTF-8')", "to_number({0}, '99')", "nullif(trim({0}), '')", "string(binary({0}))"], ["string"]
    )
    yield from each(["decode({0}, 'UTF-8')", "hex({0})"], ["binary"])
    yield from each(["{0} LIKE '%!%%' ESCAPE '!'", "{0} LIKE 'a\\\\%%'"], ["string"])
    yield from each(["try_to_number({0}, '99')", "to_char({0}, '999')"], ["int"])
    for path in ("'$.a'", "'$.b'", "'$.b[0]'", "'$.c.d'", "'$.x'", "'$'"):
        yield from each([f"get_json_object({{0}}, {path})"], ["string"])
    yield from each(["to_json({0})"], ["struct<a:int,b:string>", "map<string,int>", *ARRAYS])
    yield from each(
        [
            "from_json({0}, 'a INT, b ARRAY<INT>')",
            "from_json({0}, 'a INT, b ARRAY<INT>').a",
            "schema_of_json('{\"a\":1}')",
        ],
        ["string"],
    )


def times() -> Iterator[Case]:
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
            "sequence({0}, {0} + INTERVAL 3 DAY, INTERVAL 1 DAY)",
            "sequence({0}, date_add({0}, 2))",
            "try_to_timestamp(CAST({0} AS STRING))",
            "to_char({0}, 'yyyy')",
        ],
        TIMES,
    )


def collections() -> Iterator[Case]:
    unary = [
        "size",
        "cardinality",
        "array_size",
        "array_distinct",
        "array_max",
        "array_min",
        "sort_array",
        "array_sort",
        "reverse",
        "array_compact",
        "explode",
        "array_join_",
        "flatten",
    ]
    yield from each([f"{name}({{0}})" for name in unary[:-3]], ARRAYS)
    yield from each(
        [
            "array_join({0}, ',')",
            "array_join({0}, ',', '-')",
            "concat_ws(',', {0})",
            "array_contains({0}, 'x')",
            "array_position({0}, 'x')",
            "array_remove({0}, 'x')",
            "array_append({0}, 'z')",
            "array_prepend({0}, 'z')",
            "array_join(sort_array({0}), ',')",
        ],
        ["array<string>"],
    )
    yield from each(
        [
            "array_contains({0}, 1)",
            "array_position({0}, 1)",
            "array_remove({0}, 1)",
            "array_append({0}, 1)",
            "array_prepend({0}, 1)",
            "array_insert({0}, 1, 9)",
        ],
        ["array<int>"],
    )
    yield from with_literals(
        [
            "{0}[{1}]",
            "element_at({0}, {1})",
            "get({0}, {1})",
            "try_element_at({0}, {1})",
            "slice({0}, 1, {1})",
            "sort_array({0}, true)",
            "sort_array({0}, false)",
        ],
        ARRAYS,
        ["0", "1", "2", "-1", "3"],
    )
    for kind in ARRAYS:
        yield from each(
            [
                "array_union({0}, {1})",
                "array_intersect({0}, {1})",
                "array_except({0}, {1})",
                "arrays_overlap({0}, {1})",
                "concat({0}, {1})",
                "arrays_zip({0}, {1})",
            ],
            [kind],
            [kind],
        )
        yield from each(["array_contains({0}, {1})"], [kind], [kind[6:-1]])
        yield from each(
            [
                "transform({0}, x -> x)",
                "filter({0}, x -> x IS NOT NULL)",
                "exists({0}, x -> x IS NULL)",
                "forall({0}, x -> x IS NOT NULL)",
            ],
            [kind],
        )
    yield from each(
        [
            "aggregate({0}, 0, (s, x) -> s + x)",
            "transform({0}, x -> x + 1)",
            "filter({0}, x -> x > 1)",
            "exists({0}, x -> x > 1)",
            "array_sort({0}, (l, r) -> r - l)",
        ],
        ["array<int>"],
    )
    yield from each(
        [
            "map_keys({0})",
            "map_values({0})",
            "map_entries({0})",
            "{0}['a']",
            "{0}['x']",
            "element_at({0}, 'a')",
            "size({0})",
            "map_contains_key({0}, 'a')",
            "cardinality({0})",
            "try_element_at({0}, 'a')",
        ],
        ["map<string,int>"],
    )
    yield from each(["{0}.a", "{0}.b"], ["struct<a:int,b:string>"])
    yield from each(
        [
            "named_struct('x', {0}, 'y', 1)",
            "struct({0})",
            "struct({0} AS q, 1 AS r)",
            "map('k', {0})",
            "array_repeat({0}, 2)",
            "map_from_arrays(array('k'), array({0}))",
        ],
        PLAIN,
    )
    yield from each(["sequence(1, {0})", "sequence(0, 5)", "sequence(1, 10, 3)"], ["int"])


EXPRESSION_FAMILIES = {
    "operators": operators,
    "casts": casts,
    "conditionals": conditionals,
    "mathematics": mathematics,
    "texts": texts,
    "times": times,
    "collections": collections,
}
