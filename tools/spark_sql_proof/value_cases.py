"""CASE, COALESCE and similar functions, and mathematics."""

from __future__ import annotations

from collections.abc import Iterator

from tools.spark_sql_proof.cases import ARRAYS, NUMBERS, PLAIN, WORDS, Case, each, with_literals


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
    yield from each(["CASE WHEN {0} IS NOT NULL THEN {0} END"], [*PLAIN, *ARRAYS])
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
