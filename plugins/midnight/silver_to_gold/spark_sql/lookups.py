"""Looks up one operation on known types in the proved list: accepted, refused, or rewritten for Sail."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from midnight.silver_to_gold.spark_sql.dialect import line_of, span
from midnight.silver_to_gold.spark_sql.findings import Edit, Findings
from midnight.silver_to_gold.spark_sql.literals import literal_decimal, literal_text, pattern_letters, stands_as
from midnight.silver_to_gold.spark_sql.messages import arithmetic, known_difference, not_proved
from midnight.silver_to_gold.spark_sql.operations import ARITHMETIC, BINARY
from midnight.silver_to_gold.spark_sql.proof import Proof, ProvedList
from midnight.silver_to_gold.spark_sql.rewrites import COERCED, ZERO_WITHOUT_SIGN, aggregate_for_sail, rewrite_for_sail
from midnight.silver_to_gold.spark_sql.scopes import Relation, Scope
from midnight.silver_to_gold.spark_sql.types import (
    INTEGRAL,
    compared_type,
    decimal_of,
    is_decimal,
    loses_precision,
    result_type,
)

# Spark negates a decimal with 34 digits (scala.math.BigDecimal): longer ones lose the rest.
_EXACT_SIGN_DIGITS = 34
# Called with the node, the operation, the types of its arguments and their literals.
Recorder = Callable[[Any, str, list[str], list["str | None"]], None]
Typed = str | None


@dataclass
class Rules:
    """The rules of a check.

    Args:
        proofs: the proved list.
        refuse: whether the text runs on Sail; otherwise only names are checked.
        allowed: operations that the contract allows without proof.
        partial: whether problems of the configuration leave columns unknown; what depends on them is not checked.
        recorder: called with each operation that is looked up (for the campaign that makes the list).
    """

    proofs: ProvedList
    refuse: bool = True
    allowed: frozenset[str] = frozenset()
    partial: bool = False
    recorder: Recorder | None = None


@dataclass(frozen=True)
class Argument:
    """An argument of an operation: its type (None: unknown), its text if it is a literal, and its position."""

    kind: Typed
    literal: str | None = None
    node: Any = None


class Lookups:
    """Looks up the operations of one text; subclasses handle the nodes of its syntax tree."""

    def __init__(self, findings: Findings, rules: Rules, query: Callable[[Any, Scope], Relation] | None = None) -> None:
        """``query`` returns the columns of a subquery."""
        self.findings, self.rules = findings, rules
        self._query = query

    def operation(self, node: Any, name: str, arguments: Sequence[Argument]) -> Typed:
        """Return the type of a result; refuse what is not proved, and record the form for Sail."""
        if any(argument.kind is None for argument in arguments):
            if self.rules.refuse and not self.rules.partial and not self.findings.problems:
                self.findings.problem(
                    node,
                    f"{self.findings.shown(node)}: the type of an argument is unknown; hint: CAST it, or set "
                    "MIDNIGHT_ENGINE=spark",
                )
            return None  # otherwise it was reported before
        arguments = self._as_decimals(name, arguments)
        kinds = {argument.kind for argument in arguments}
        if name in COERCED or (name in ARITHMETIC and kinds & {"float", "double"}):
            self._unify(arguments)
        types = [argument.kind or "" for argument in arguments]
        literals = [argument.literal for argument in arguments]
        described = arithmetic(self.findings.shown(node), name, types) if node is not None else ""
        if described:
            self.findings.arithmetic.append(f"line {line_of(self.findings.text, node)}: {described}")
        if name in ARITHMETIC and len(types) == 2 and any(map(is_decimal, types)) and loses_precision(name, *types):
            name = f"{name} (shortened)"
        elif name in ("negative", "abs") and (decimal_of(types[0]) or (0, 0))[0] > _EXACT_SIGN_DIGITS:
            name = f"{name} (many digits)"
        stands = [stands_as(kind, literal) for kind, literal in zip(types, literals, strict=True)]
        if self.rules.recorder is not None:
            self.rules.recorder(node, name, types, literals)
        proof = self.rules.proofs.find(name, stands) or self._pattern(name, stands, literals)
        self._verdict(node, name, types, proof)
        template, aggregate = rewrite_for_sail(name, types, literals), aggregate_for_sail(name, types)
        if template is not None:
            self._edit(node, template, arguments)
        if name == "count distinct" and len(types) == 1 and types[0] in ("float", "double"):
            self.adapt(arguments[0].node, ZERO_WITHOUT_SIGN)
        if aggregate is not None and node is not None:
            self.wrap(arguments[0].node, aggregate.argument)
            self.wrap(_whole_call(node), aggregate.result)
        return None if proof is None else result_type(proof.result, types, literals)

    def _pattern(self, name: str, stands: Sequence[Sequence[str]], literals: Sequence[str | None]) -> Proof | None:
        """The proof of DATE_FORMAT with a pattern whose letters were compared one by one."""
        pattern = literals[1] if len(literals) == 2 else None
        if name != "date_format" or pattern is None:
            return None
        parts = pattern_letters(pattern)
        proofs = [self.rules.proofs.find(name, [stands[0], [part]]) for part in parts or []]
        return proofs[0] if proofs and all(proof is not None and proof.is_equal for proof in proofs) else None

    def construct(self, node: Any, name: str) -> None:
        """Look up a part of a query without arguments, such as a kind of join."""
        if self.rules.recorder is not None:
            self.rules.recorder(node, name, [], [])
        self._verdict(node, name, [], self.rules.proofs.find(name, []))

    def _verdict(self, node: Any, name: str, types: Sequence[str], proof: Any) -> None:
        if not self.rules.refuse or (proof is not None and proof.is_equal):
            return
        shown = self.findings.shown(node)
        base = name.split(" ", maxsplit=1)[0]
        message = known_difference(shown, proof) if proof else not_proved(shown, name, types, self.rules.proofs)
        if name in self.rules.allowed or base in self.rules.allowed:
            self.findings.warning(node, f"{message.split('; hint:')[0]}; the contract allows it without proof")
        else:
            self.findings.problem(node, message)

    def _as_decimals(self, name: str, arguments: Sequence[Argument]) -> Sequence[Argument]:
        """Cast whole numbers in arithmetic with a decimal to decimals of their width, explicitly for Sail."""
        if name not in ARITHMETIC or not any(is_decimal(argument.kind or "") for argument in arguments):
            return arguments
        result = []
        for argument in arguments:
            kind = argument.kind or ""
            if kind in INTEGRAL:
                precision, scale = decimal_of(kind) or (0, 0)
                kind = literal_decimal(argument.literal, kind) or f"decimal({precision},{scale})"
                self.wrap(argument.node, kind)
            result.append(Argument(kind, argument.literal, argument.node))
        return result

    def _unify(self, arguments: Sequence[Argument]) -> None:
        """Cast arguments of several types to one type, as Spark does implicitly."""
        kinds = [argument.kind or "" for argument in arguments]
        common: Typed = kinds[0]
        for kind in kinds[1:]:
            common = None if common is None else compared_type(common, kind)
        if common is None or len(set(kinds)) == 1:
            return
        for argument, kind in zip(arguments, kinds, strict=True):
            if kind != common and argument.node is not None:
                self.wrap(argument.node, common)

    def wrap(self, node: Any, kind: str, after: str = "") -> None:
        """Add a CAST to ``kind`` around an expression for Sail, followed by ``after``."""
        self.adapt(node, f"CAST({{0}} AS {kind.upper()}){after}")

    def adapt(self, node: Any, template: str) -> None:
        """Rewrite an expression for Sail by a template, in which it is ``{0}``."""
        place = span(node)
        if place is not None and self.rules.refuse:
            self.findings.edits.append(Edit(place, template, (place,)))

    def _edit(self, node: Any, template: str, arguments: Sequence[Argument]) -> None:
        if not self.rules.refuse:
            return
        place = span(node)
        parts = [span(argument.node) if argument.node is not None else None for argument in arguments]
        if place is None or None in parts:
            self.findings.problem(
                node,
                f"{self.findings.shown(node)} cannot be corrected for Sail in this place; hint: write it out, "
                "or set MIDNIGHT_ENGINE=spark",
            )
            return
        self.findings.edits.append(Edit(place, template, tuple(part for part in parts if part is not None)))

    def _common_type(self, node: Any, name: str, values: Sequence[Argument]) -> Typed:
        """Return the common type of several values, two at a time; equal types need one lookup."""
        if any(value.kind is None for value in values):
            return None
        if name in COERCED:
            self._unify(values)
        result = values[0]
        for value in values[1:]:
            if result.kind == value.kind and value is not values[1]:
                continue
            # A literal's own text does not matter here.
            result = Argument(self.operation(node, name, [Argument(result.kind), Argument(value.kind)]))
        return self.operation(node, name, [Argument(result.kind)]) if len(values) == 1 else result.kind

    def argument(self, node: Any, scope: Scope) -> Argument:
        """Return a node as an argument."""
        return Argument(self.type_of(node, scope), literal_text(node), node)

    def type_of(self, node: Any, scope: Scope) -> Typed:
        """Return the type of an expression; None where it is unknown, which is then among the findings."""
        kind = type(node).__name__
        if kind in BINARY:
            both = [self.argument(node.this, scope), self.argument(node.expression, scope)]
            return self.operation(node, BINARY[kind], both)
        handler = getattr(self, f"_{kind.lower()}", None)
        if handler is None:
            if self.rules.refuse:
                self.findings.problem(
                    node,
                    f"{self.findings.shown(node)} ({kind}) is not supported by the check of gold models; hint: "
                    "rewrite it (docs/spark-sql.md), or set MIDNIGHT_ENGINE=spark",
                )
            return None
        result: Typed = handler(node, scope)
        return result

    def condition(self, node: Any, scope: Scope) -> None:
        """Check that an expression is true or false."""
        kind = self.type_of(node, scope)
        if kind not in (None, "boolean", "void"):
            self.findings.problem(node, f"{self.findings.shown(node)} is {kind}, not true or false; hint: compare it")


def _whole_call(node: Any) -> Any:
    """A call with its FILTER and OVER."""
    from sqlglot import exp

    while (
        isinstance(node.parent, exp.Filter | exp.Window | exp.IgnoreNulls | exp.RespectNulls)
        and node.parent.this is node
    ):
        node = node.parent
    return node
