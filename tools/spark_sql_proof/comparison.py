"""A case with the results of both engines, and the lines of the proved list that follow from many cases."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from midnight.silver_to_gold.spark_sql.literals import PORTABLE_PATTERN, stands_as
from midnight.silver_to_gold.spark_sql.proof import DIFFERENT, EQUAL, REFUSED, Proof
from midnight.silver_to_gold.spark_sql.types import NO_RULE, RESULT_RULES, ROUND_RULE, result_type
from tools.spark_sql_proof.cases import Case

# In place of a rule for the type: a cast has its target type, a construct has no type, and a
# constructor's type follows from its parts.
TARGET, UNTYPED = "its target", "any"
_WITHOUT_RESULT = ("order by", "order by in window", "partition by", "group by", "distinct")


@dataclass
class Operation:
    """The operation of a case: the outermost one as the check of gold models sees it."""

    name: str
    types: list[str]
    literals: list[str | None]

    @property
    def stands(self) -> list[list[str]]:
        """Return the names of each argument in the list."""
        return [stands_as(kind, literal) for kind, literal in zip(self.types, self.literals, strict=True)]


@dataclass
class Comparison:
    """A case with the results of both engines.

    ``note`` describes the difference; empty when there is none.
    """

    case: Case
    operation: Operation
    sail_text: str
    kind: str = ""
    refusal: str = ""
    rows: int = 0
    note: str = ""


def recorded_arguments(operation: Operation) -> list[tuple[str, ...]]:
    """Return the names of an operation's arguments in the list: literals that matter as written, others by kind."""
    literal_matters = operation.name.split(" ")[0] not in GENERAL_OPERATIONS
    choices = []
    for stands, literal in zip(operation.stands, operation.literals, strict=True):
        if literal is None:
            choices.append(stands[-1])
        elif literal_matters:
            choices.append(stands[0])
        else:
            # A number is named by its type, a text by its content.
            choices.append(stands[-1] if not literal.startswith("'") else stands[1])
    return [tuple(choices)]


# Operators and functions for which a literal is a value like any other.
GENERAL_OPERATIONS = {
    *(
        "+",
        "-",
        "*",
        "/",
        "%",
        "div",
        "=",
        "<>",
        "<",
        "<=",
        ">",
        ">=",
        "<=>",
        "is",
        "between",
        "in",
        "case",
        "and",
        "or",
    ),
    *("not", "||", "cast", "try_cast", "coalesce", "nullif", "nvl", "ifnull", "nvl2", "greatest", "least", "concat"),
    *("mod", "pmod", "try_add", "try_subtract", "try_multiply", "try_divide", "try_mod", "negative"),
    *("date_add", "date_sub", "add_months", "datediff", "date_diff", "months_between", "timestampadd", "dateadd"),
    *("array_contains", "concat_ws", "array"),
}
# The text is not a pattern, unit or zone: results for other texts are like those for the compared ones.
TEXT_IS_A_VALUE = {
    *(
        "lpad",
        "rpad",
        "replace",
        "translate",
        "split_part",
        "substring_index",
        "instr",
        "locate",
        "position",
        "startswith",
    ),
    *("endswith", "contains", "charindex", "array_join", "find_in_set", "trim both", "trim leading", "trim trailing"),
    *("btrim", "ltrim", "rtrim", "levenshtein", "like", "ilike", "string_agg within group", "listagg within group"),
}


# Their pattern is a regular expression: all portable ones count as compared.
TEXT_IS_A_PATTERN = {
    "rlike",
    "regexp",
    "regexp_like",
    "regexp_replace",
    "regexp_extract",
    "regexp_count",
    "regexp_substr",
}


def _generalised(operation: Operation, arguments: tuple[str, ...]) -> tuple[str, ...]:
    """The arguments with ``number``, ``text`` or ``portable pattern`` in place of literals."""
    result = []
    for argument, literal, stands in zip(arguments, operation.literals, operation.stands, strict=True):
        if literal is None or argument != literal:
            result.append(argument)
        elif literal.startswith("'"):
            portable = operation.name in TEXT_IS_A_PATTERN and PORTABLE_PATTERN in stands
            text = "text" if operation.name in TEXT_IS_A_VALUE else argument
            result.append(PORTABLE_PATTERN if portable else text)
        else:
            result.append(stands[1] if "number" in stands[1] else argument)
    return tuple(result)


def make_proofs(comparisons: Iterable[Comparison]) -> list[Proof]:
    """Return the list: one line for each operation and its arguments."""
    groups: dict[tuple[str, tuple[str, ...]], list[Comparison]] = defaultdict(list)
    for comparison in comparisons:
        operation = comparison.operation
        for arguments in recorded_arguments(operation):
            groups[operation.name, arguments].append(comparison)
            general = _generalised(operation, arguments)
            if general != arguments:
                groups[operation.name, general].append(comparison)
    return [_proof(name, arguments, group) for (name, arguments), group in sorted(groups.items())]


def _proof(name: str, arguments: tuple[str, ...], group: list[Comparison]) -> Proof:
    accepted = [comparison for comparison in group if not comparison.refusal]
    if not accepted:
        return Proof(name, arguments, REFUSED, "", 0, " ".join(group[0].refusal.split())[:120])
    group = accepted
    rule = _result_rule(group)
    different = next((comparison for comparison in group if comparison.note), None)
    verdict, note = (EQUAL, "") if different is None else (DIFFERENT, f"{different.case.text}: {different.note}")
    if rule is None:
        verdict, rule = DIFFERENT, NO_RULE
        kinds = sorted({f"{comparison.operation.types}: {comparison.kind}" for comparison in group})[:4]
        note = note or f"no rule for the type of the result: {'; '.join(kinds)}"
    return Proof(name, arguments, verdict, rule, sum(c.rows for c in group), " ".join(note.split()))


def _result_rule(group: list[Comparison]) -> str | None:
    """Return the type of the result when it is the same for all, otherwise the rule that determines it."""
    if " to " in group[0].operation.name:
        return TARGET
    if not group[0].operation.types or group[0].operation.name in _WITHOUT_RESULT:
        return UNTYPED
    kinds = {comparison.kind for comparison in group}
    if len(kinds) == 1 and "decimal(" not in next(iter(kinds)):
        return next(iter(kinds))
    for rule in [*RESULT_RULES, ROUND_RULE]:
        if all(
            result_type(rule, comparison.operation.types, comparison.operation.literals) == comparison.kind
            for comparison in group
        ):
            return rule
    return next(iter(kinds)) if len(kinds) == 1 else None
