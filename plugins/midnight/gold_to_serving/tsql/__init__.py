"""Reporting views in T-SQL, translated to DuckDB: a closed world.

``translate.translate_view`` and ``translate_query`` give the DuckDB statement with the T-SQL types of the columns,
or all problems. ``macros.MACROS`` are the statements that a DuckDB database needs before. The way of a view:

tokens → parse_expression, parse_query (syntax) → expressions, sources, queries (typed, scope) → DuckDB's SQL.
``constructs.TABLE`` lists what is translated; ``types`` holds T-SQL's rules of types, ``conversions`` its casts.
"""
