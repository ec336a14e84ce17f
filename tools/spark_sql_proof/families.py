"""All cases, by family."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tools.spark_sql_proof.cases import Case
from tools.spark_sql_proof.collection_cases import collections
from tools.spark_sql_proof.operator_cases import casts, operators
from tools.spark_sql_proof.query_cases import queries
from tools.spark_sql_proof.text_cases import texts
from tools.spark_sql_proof.time_cases import times
from tools.spark_sql_proof.value_cases import conditionals, mathematics
from tools.spark_sql_proof.window_cases import aggregates, windows

FAMILIES: dict[str, Callable[[], Iterator[Case]]] = {
    "operators": operators,
    "casts": casts,
    "conditionals": conditionals,
    "mathematics": mathematics,
    "texts": texts,
    "times": times,
    "collections": collections,
    "aggregates": aggregates,
    "windows": windows,
    "queries": queries,
}
