"""Reporting views in T-SQL, translated to DuckDB: a closed world.

Interface (``midnight.gold_to_serving.tsql.translate``)::

    translation = translate_view(sql, {"gold.flags": {"id": "INT", "rate": "DECIMAL(8,4)"}})
    translation.duckdb      # CREATE VIEW "reporting"."x" AS …, or None when there are problems
    translation.columns     # (Column(name="id", type=SqlType(...)), …); str(type) is T-SQL's spelling, "decimal(8,4)"
    translation.problems    # (Problem(line=3, message="…; hint: …"), …): all of the file, empty when it is translated

``translate_query(sql, schema)`` takes the SELECT alone and ``translation.duckdb`` is then a SELECT. Column types of the
schema are T-SQL's, as a text. ``midnight.gold_to_serving.tsql.macros.MACROS`` are the statements that a DuckDB database needs
before a translated view is created. DuckDB's types of the columns: ``SqlType.duckdb``.

FORMAT and CONVERT styles are in ``formats.py``: functions that take DuckDB's SQL text of the operand and give DuckDB's SQL
text, or None for a pattern or style that is not proved::

    format_number(operand: str, scale: int | None, pattern: str) -> str | None   # scale None: float
    format_datetime(operand: str, kind: str, pattern: str) -> str | None         # kind: date, time, datetime, datetime2
    date_to_text(operand: str, kind: str, scale: int, style: int) -> str | None  # CONVERT(VARCHAR, date, style), not cut
    text_to_date(operand: str, kind: str, scale: int, style: int) -> str | None  # CONVERT(date, text, style); NULL if not valid

Operands: date is DATE, time TIME, datetime and datetime2 TIMESTAMP, numbers DECIMAL(p,s), BIGINT or DOUBLE. An operand may be
an expression without side effects; the result may repeat it.
"""
