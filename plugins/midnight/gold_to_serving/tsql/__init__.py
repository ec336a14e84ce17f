"""Translation of T-SQL reporting views to DuckDB. Only listed constructs are translated; all others are refused.

``translate.translate_view`` and ``translate_query`` return the DuckDB statement with the T-SQL types of the columns,
or all problems. The statements of ``macros.MACROS`` must have run in the DuckDB database. The steps:

tokens → parse_expression, parse_query (syntax) → expressions, sources, queries (typed, scope) → DuckDB's SQL.
``constructs.TABLE`` lists what is translated; ``types`` holds T-SQL's rules of types, ``conversions`` its casts.
"""
