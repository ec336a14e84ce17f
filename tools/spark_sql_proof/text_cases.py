"""Functions of texts, with typical literals."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from tools.spark_sql_proof.cases import ARRAYS, FLOATS, NUMBERS, PLAIN, TIMES, WHOLE, Case, each, with_literals


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
    yield from each(["char({0})", "chr({0})", "hex({0})"], ["int", "bigint"])
    yield from each(["space({0})"], ["smallint"])  # 2,147,483,647 blanks would exhaust the memory
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
        ["overlay({0}, 'X', 2)", "elt(1, {0}, 'x')", "field({0}, 'a', 'abc')"],
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
