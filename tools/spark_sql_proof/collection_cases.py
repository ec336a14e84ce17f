"""Functions of arrays, maps and structs."""

from __future__ import annotations

from collections.abc import Iterator

from tools.spark_sql_proof.cases import ARRAYS, PLAIN, Case, each, with_literals


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
    yield from each(["sequence(1, {0})"], ["smallint"])
    yield from each(["sequence(0, 5)", "sequence(1, 10, 3)"], ["int"])
