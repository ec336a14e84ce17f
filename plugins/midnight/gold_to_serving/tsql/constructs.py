"""The table of all translated constructs.

All others are refused, the known ones with another way to write them (``refused_constructs``). ``docs/tsql.md``
is generated from this table; the tests execute each row's function.
"""

from __future__ import annotations

from midnight.gold_to_serving.tsql.aggregates import AGGREGATE_FUNCTIONS
from midnight.gold_to_serving.tsql.construct import Construct, by_name
from midnight.gold_to_serving.tsql.date_functions import DATE_FUNCTIONS
from midnight.gold_to_serving.tsql.grammar_constructs import CASTS, CONDITIONS, OPERATORS, QUERIES
from midnight.gold_to_serving.tsql.json_functions import JSON_FUNCTIONS
from midnight.gold_to_serving.tsql.logic_functions import LOGIC_FUNCTIONS
from midnight.gold_to_serving.tsql.number_functions import NUMBER_FUNCTIONS
from midnight.gold_to_serving.tsql.text_functions import TEXT_FUNCTIONS
from midnight.gold_to_serving.tsql.windows import WINDOW_FUNCTIONS

TABLE: tuple[Construct, ...] = (
    *QUERIES,
    *CONDITIONS,
    *OPERATORS,
    *CASTS,
    *TEXT_FUNCTIONS,
    *NUMBER_FUNCTIONS,
    *DATE_FUNCTIONS,
    *LOGIC_FUNCTIONS,
    *AGGREGATE_FUNCTIONS,
    *WINDOW_FUNCTIONS,
    *JSON_FUNCTIONS,
)
FUNCTIONS = by_name((TEXT_FUNCTIONS, NUMBER_FUNCTIONS, DATE_FUNCTIONS, LOGIC_FUNCTIONS, JSON_FUNCTIONS))
