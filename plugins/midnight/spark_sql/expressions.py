"""Types of expressions, bottom up; each operation is looked up in the proved list."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from midnight.spark_sql.dialect import span
from midnight.spark_sql.findings import Edit, Findings
from midnight.spark_sql.literals import literal_decimal, literal_text, number_type, stands_as
from midnight.spark_sql.messages import known_difference, not_proved
from midnight.spark_sql.operations import (
    ANY_ORDER,
    ARITHMETIC,
    BINARY,
    EACH_ALONE,
    LAMBDAS,
    ORDERING,
    UNIT_FIRST,
    VARIADIC,
    frame_name,
    interval_name,
)
from midnight.spark_sql.proof import ProvedList
from midnight.spark_sql.rewrites import COERCED, rewrite_for_sail
from midnight.spark_sql.scopes import Relation, Scope
from midnight.spark_sql.types import (
    INTEGRAL,
    compared_type,
    decimal_of,
    element_of,
    is_decimal,
    loses_precision,
    map_types,
    result_type,
    struct_fields,
    type_name,
)

Recorder = Callable[[str, list[list[str]], list[str], list["str | None"]], None]
Typed = str | None


@dataclass
class Rules:
    """What the check of a text goes by.

    Args:
        proofs: the proved list.
        refuse: the text runs on Sail; else only names are looked at.
        allowed: operations that the contract allows without proof.
        recorder: told of each operation that is looked up (for the campaign that makes the list).
    """

    proofs: ProvedList
    refuse: bool = True
    allowed: frozenset[str] = frozenset()
    recorder: Recorder | None = None


@dataclass(frozen=True)
class Argument:
    """An argument of an operation: its type (None: unknown), its text if it is a literal, and where it stands."""

    kind: Typed
    literal: str | None = None
    node: Any = None


class Expressions:
    """The types of one text's expressions."""

    def __init__(
        self, findings: Findings, rules: Rules, query: Callable[[Any, Scope], Relation] | None = None
    ) -> None:
        self.findings, self.rules = findings, rules
        self._query = query

    # -- operations ---------------------------------------------------------------------------------------------

    def operation(self, node: Any, name: str, arguments: Sequence[Argument], *, infix: bool = False) -> Typed:
        """The type of a result; refuses what is not proved, and notes the form for Sail."""
        if any(argument.kind is None for argument in arguments):
            return None  # reported where it arose
        arguments = self._as_decimals(name, arguments)
        if name in COERCED:
            self._unify(arguments)
        types = [argument.kind or "" for argument in arguments]
        literals = [argument.literal for argument in arguments]
        if name in ARITHMETIC and len(types) == 2 and any(map(is_decimal, types)) and loses_precision(name, *types):
            name = f"{name} (shortened)"
        stands = [stands_as(kind, literal) for kind, literal in zip(types, literals, strict=True)]
        if self.rules.recorder is not None:
            self.rules.recorder(name, stands, types, literals)
        proof = self.rules.proofs.find(name, stands)
        self._verdict(node, name, types, proof)
        template = rewrite_for_sail(name, types, literals)
        if template is not None:
            self._edit(node, template, arguments)
        return None if proof is None else result_type(proof.result, types, literals)

    def construct(self, node: Any, name: str) -> None:
        """A part of a query without arguments, such as a kind of join."""
        if self.rules.recorder is not None:
            self.rules.recorder(name, [], [], [])
        self._verdict(node, name, [], self.rules.proofs.find(name, []))

    def _verdict(self, node: Any, name: str, types: Sequence[str], proof: Any) -> None:
        if not self.rules.refuse or (proof is not None and proof.is_equal):
            return
        shown = self.findings.shown(node)
        base = name.split(" ")[0]
        message = known_difference(shown, proof) if proof else not_proved(shown, name, types, self.rules.proofs)
        if name in self.rules.allowed or base in self.rules.allowed:
            self.findings.warning(node, f"{message.split('; hint:')[0]}; the contract allows it without proof")
        else:
            self.findings.problem(node, message)

    def _as_decimals(self, name: str, arguments: Sequence[Argument]) -> Sequence[Argument]:
        """In arithmetic with a decimal, whole numbers are decimals of their width; Sail is told so by a CAST."""
        if name not in ARITHMETIC or not any(is_decimal(argument.kind or "") for argument in arguments):
            return arguments
        result = []
        for argument in arguments:
            kind = argument.kind or ""
            if kind in INTEGRAL:
                precision, scale = decimal_of(kind) or (0, 0)
                kind = literal_decimal(argument.literal, kind) or f"decimal({precision},{scale})"
                self._wrap(argument.node, kind)
            result.append(Argument(kind, argument.literal, argument.node))
        return result

    def _unify(self, arguments: Sequence[Argument]) -> None:
        """Arguments of several types become one type by casts, as Spark does by itself."""
        kinds = [argument.kind or "" for argument in arguments]
        common: Typed = kinds[0]
        for kind in kinds[1:]:
            common = None if common is None else compared_type(common, kind)
        if common is None or len(set(kinds)) == 1:
            return
        for argument, kind in zip(arguments, kinds, strict=True):
            if kind != common and argument.node is not None:
                self._wrap(argument.node, common)

    def _wrap(self, node: Any, kind: str) -> None:
        place = span(node)
        if place is not None and self.rules.refuse:
            self.findings.edits.append(Edit(place, f"CAST({{0}} AS {kind.upper()})", (place,)))

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

    # -- nodes --------------------------------------------------------------------------------------------------

    def argument(self, node: Any, scope: Scope) -> Argument:
        """A node as an argument."""
        return Argument(self.type_of(node, scope), literal_text(node), node)

    def type_of(self, node: Any, scope: Scope) -> Typed:
        """Type of an expression; None where it cannot be told, which is then among the findings."""
        kind = type(node).__name__
        if kind in BINARY:
            both = [self.argument(node.this, scope), self.argument(node.expression, scope)]
            return self.operation(node, BINARY[kind], both, infix=True)
        handler = getattr(self, f"_{kind.lower()}", None)
        if handler is None:
            self.findings.problem(
                node,
                f"{self.findings.shown(node)} ({kind}) is not a form that the check of gold models knows; hint: write "
                "it otherwise" + (", or set MIDNIGHT_ENGINE=spark" if self.rules.refuse else ""),
            ) if self.rules.refuse else None
            return None
        result: Typed = handler(node, scope)
        return result

    def _paren(self, node: Any, scope: Scope) -> Typed:
        return self.type_of(node.this, scope)

    def _alias(self, node: Any, scope: Scope) -> Typed:
        return self.type_of(node.this, scope)

    def _literal(self, node: Any, _scope: Scope) -> Typed:
        return "string" if node.is_string else number_type(node.this)

    def _rawstring(self, _node: Any, _scope: Scope) -> Typed:
        return "string"

    def _boolean(self, _node: Any, _scope: Scope) -> Typed:
        return "boolean"

    def _null(self, _node: Any, _scope: Scope) -> Typed:
        return "void"

    def _neg(self, node: Any, scope: Scope) -> Typed:
        if literal_text(node) is not None:
            return self.type_of(node.this, scope)
        return self.operation(node, "negative", [self.argument(node.this, scope)])

    def _not(self, node: Any, scope: Scope) -> Typed:
        return self.operation(node, "not", [self.argument(node.this, scope)])

    def _is(self, node: Any, scope: Scope) -> Typed:
        from sqlglot import exp

        truth = "null" if isinstance(node.expression, exp.Null) else literal_text(node.expression)
        return self.operation(node, f"is {truth}", [self.argument(node.this, scope)])

    def _between(self, node: Any, scope: Scope) -> Typed:
        value = self.argument(node.this, scope)
        bounds = [self.argument(node.args[side], scope) for side in ("low", "high")]
        if value.kind is None or any(bound.kind is None for bound in bounds):
            return "boolean"
        self._unify([value, *bounds])
        kinds = [self.operation(node, "between", [Argument(value.kind), Argument(b.kind, b.literal)]) for b in bounds]
        return kinds[0] and kinds[1]

    def _in(self, node: Any, scope: Scope) -> Typed:
        value = self.argument(node.this, scope)
        query = node.args.get("query")
        if query is not None:
            relation = self._subquery_columns(query, scope)
            kind = relation.columns[0][1] if len(relation.columns) == 1 else None
            if len(relation.columns) != 1 and relation.complete:
                self.findings.problem(node, f"{self.findings.shown(node)} compares with a query of several columns; "
                                      "hint: select one, or use EXISTS")
            return self.operation(node, "in query", [value, Argument(kind)])
        items = [self.argument(item, scope) for item in node.expressions]
        if value.kind is None or any(item.kind is None for item in items):
            return "boolean"
        self._unify([value, *items])
        result: Typed = "boolean"
        for item in items:
            result = self.operation(node, "in", [Argument(value.kind), Argument(item.kind, item.literal)]) and result
        return result

    def _like(self, node: Any, scope: Scope) -> Typed:
        return self.operation(node, "like", [self.argument(n, scope) for n in (node.this, node.expression)])

    def _ilike(self, node: Any, scope: Scope) -> Typed:
        return self.operation(node, "ilike", [self.argument(n, scope) for n in (node.this, node.expression)])

    def _escape(self, node: Any, scope: Scope) -> Typed:
        inner = node.this
        parts = [inner.this, inner.expression, node.expression]
        return self.operation(node, "like escape", [self.argument(part, scope) for part in parts])

    def _case(self, node: Any, scope: Scope) -> Typed:
        subject = node.this
        values = []
        for branch in node.args["ifs"]:
            if subject is None:
                self._condition(branch.this, scope)
            else:
                self.operation(branch.this, "case =", [self.argument(subject, scope), self.argument(branch.this, scope)])
            values.append(self.argument(branch.args["true"], scope))
        default = node.args.get("default")
        values.append(Argument("void") if default is None else self.argument(default, scope))
        return self._common_type(node, "case", values)

    def _condition(self, node: Any, scope: Scope) -> None:
        kind = self.type_of(node, scope)
        if kind not in (None, "boolean", "void"):
            self.findings.problem(node, f"{self.findings.shown(node)} is {kind}, not true or false; hint: compare it")

    def _common_type(self, node: Any, name: str, values: Sequence[Argument]) -> Typed:
        """The type of one of several values, two at a time; equal types need one look-up."""
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

    def _cast(self, node: Any, scope: Scope) -> Typed:
        return self._cast_to("cast", node, scope)

    def _trycast(self, node: Any, scope: Scope) -> Typed:
        return self._cast_to("try_cast", node, scope)

    def _cast_to(self, name: str, node: Any, scope: Scope) -> Typed:
        target = type_name(node.args["to"].sql(dialect="spark"))
        value = self.argument(node.this, scope)
        if value.kind is None:
            return target  # what it is from here on is certain
        place, text = span(node), self.findings.text
        if place and value.literal is None and value.kind == target and name == "cast":
            return target
        del text
        self.operation(node, f"{name} to {target.partition('(')[0]}", [value])
        return target

    def _interval(self, node: Any, _scope: Scope) -> Typed:
        name = interval_name(node)
        if name is None and self.rules.refuse:
            self.findings.problem(node, f"{self.findings.shown(node)} is not a whole number of one unit; hint: write "
                                  "INTERVAL 1 DAY, or timestampadd(MINUTE, amount, value)")
        return name

    def _extract(self, node: Any, scope: Scope) -> Typed:
        unit = node.this.name.lower()
        return self.operation(node, f"extract {unit}", [self.argument(node.expression, scope)])

    def _trim(self, node: Any, scope: Scope) -> Typed:
        position = (node.args.get("position") or "").lower()
        parts = [node.this, *([node.expression] if node.args.get("expression") is not None else [])]
        return self.operation(node, f"trim {position}".strip(), [self.argument(part, scope) for part in parts])

    def _substring(self, node: Any, scope: Scope) -> Typed:
        parts = [node.this, node.args.get("start"), node.args.get("length")]
        return self.operation(node, "substring", [self.argument(p, scope) for p in parts if p is not None])

    def _strposition(self, node: Any, scope: Scope) -> Typed:
        parts = [node.args.get("substr"), node.this, node.args.get("position")]
        return self.operation(node, "position", [self.argument(p, scope) for p in parts if p is not None])

    def _bracket(self, node: Any, scope: Scope) -> Typed:
        value, index = self.type_of(node.this, scope), self.argument(node.expressions[0], scope)
        kind = self.operation(node, "element", [Argument(value, None, node.this), index])
        if value is None or kind is None:
            return None
        found = map_types(value)
        return found[1] if found else element_of(value)

    def _dot(self, node: Any, scope: Scope) -> Typed:
        kind = self.type_of(node.this, scope)
        return self._field(node, kind, node.expression.name)

    def _field(self, node: Any, kind: Typed, name: str) -> Typed:
        if kind is None:
            return None
        fields = struct_fields(kind)
        if name.casefold() not in fields:
            self.findings.problem(node, f"{name!r} is not a field of {kind}; hint: {sorted(fields)!r} are")
        return fields.get(name.casefold())

    def _column(self, node: Any, scope: Scope) -> Typed:
        parts = [part.name for part in node.parts]
        if len(parts) >= 2 and scope.knows(parts[0]):
            qualifier, name, *fields = parts
        else:
            qualifier, (name, *fields) = "", parts
        found, kind = scope.find(name, qualifier)
        if not found:
            if scope.complete:
                self.findings.problem(node, f"column {'.'.join(parts)!r} does not exist: {scope.shown()}")
            return None
        for field in fields:
            kind = self._field(node, kind, field)
        return kind

    def _identifier(self, node: Any, scope: Scope) -> Typed:
        return scope.find(node.name)[1]

    def _subquery(self, node: Any, scope: Scope) -> Typed:
        relation = self._subquery_columns(node, scope)
        self.construct(node, "scalar subquery")
        return relation.columns[0][1] if relation.columns else None

    def _exists(self, node: Any, scope: Scope) -> Typed:
        self._subquery_columns(node.this, scope)
        self.construct(node, "exists")
        return "boolean"

    def _subquery_columns(self, node: Any, scope: Scope) -> Relation:
        if self._query is None:
            return Relation((), complete=False)
        return self._query(node, scope)

    # -- functions ----------------------------------------------------------------------------------------------

    def _anonymous(self, node: Any, scope: Scope, suffix: str = "") -> Typed:
        from sqlglot import exp

        name, inputs = node.name.lower(), list(node.expressions)
        if name in LAMBDAS and any(isinstance(part, exp.Lambda) for part in inputs):
            return self._higher_order(node, name, scope)
        if name in ("struct", "named_struct", "map", "array"):
            return self._constructor(node, name, scope)
        arguments = []
        if len(inputs) == 1 and isinstance(inputs[0], exp.Distinct):
            suffix, inputs = f" distinct{suffix}", list(inputs[0].expressions)
        for position, part in enumerate(inputs):
            if isinstance(part, exp.Star):
                arguments.append(Argument("*"))
            elif position == 0 and name in UNIT_FIRST and self._is_unit(part, inputs):
                arguments.append(Argument(part.name.lower()))
            elif type(part) in (exp.Kwarg, exp.PropertyEQ):
                self.findings.problem(node, f"{self.findings.shown(node)} names its arguments; hint: give them in order")
                return None
            else:
                arguments.append(self.argument(part, scope))
        if name in ANY_ORDER and not suffix.startswith(" over") and not self._is_ordered(node):
            if self.rules.refuse:
                self.findings.problem(
                    node,
                    f"{self.findings.shown(node)} gives its rows in any order, on Apache Spark too; hint: "
                    f"sort_array({self.findings.shown(node)})",
                )
        if name in ("if", "iff") and len(arguments) == 3:
            self._condition(inputs[0], scope)
            return self._common_type(node, "case", arguments[1:])
        if name in VARIADIC and len(arguments) > 1 and not suffix:
            return self._common_type(node, name, arguments)
        if name in EACH_ALONE and not suffix:
            fixed = EACH_ALONE[name]
            kinds = [self.operation(node, name, [*arguments[:fixed], other]) for other in arguments[fixed:]]
            return None if None in kinds else next(iter(kinds), None)
        return self.operation(node, f"{name}{suffix}", arguments)

    @staticmethod
    def _is_unit(part: Any, inputs: Sequence[Any]) -> bool:
        from sqlglot import exp

        return isinstance(part, exp.Column) and not part.table and len(inputs) == 3

    @staticmethod
    def _is_ordered(node: Any) -> bool:
        parent = node.parent
        return parent is not None and parent.name.lower() in ORDERING

    def _constructor(self, node: Any, name: str, scope: Scope) -> Typed:
        from sqlglot import exp

        parts = node.expressions
        if name == "array":
            kind = self._common_type(node, "array", [self.argument(p, scope) for p in parts] or [Argument("void")])
            return kind
        if name == "map":
            kinds = [self.type_of(part, scope) for part in parts]
            keys, values = set(kinds[::2]), set(kinds[1::2])
            if len(keys) != 1 or len(values) != 1 or None in keys | values:
                if self.rules.refuse and None not in keys | values:
                    self.findings.problem(node, f"{self.findings.shown(node)} mixes types; hint: CAST them to one")
                return None
            self.construct(node, "map")
            return f"map<{keys.pop()},{values.pop()}>"
        pairs = []
        if name == "named_struct":
            pairs = [(literal_text(n) or "", v) for n, v in zip(parts[::2], parts[1::2], strict=False)]
            pairs = [(text.strip("'"), value) for text, value in pairs]
        else:
            pairs = [(p.alias_or_name or f"col{i}", p) for i, p in enumerate(parts, start=1)]
        fields = [(field, self.type_of(value, scope)) for field, value in pairs]
        self.construct(node, name)
        if any(kind is None for _, kind in fields):
            return None
        del exp
        return f"struct<{','.join(f'{field}:{kind}' for field, kind in fields)}>"

    def _higher_order(self, node: Any, name: str, scope: Scope) -> Typed:
        from sqlglot import exp

        array = self.type_of(node.expressions[0], scope)
        element = element_of(array) if array else None
        if array is None or element is None:
            return None
        function = node.expressions[-1]
        start = self.type_of(node.expressions[1], scope) if name in ("aggregate", "reduce") else None
        variables = [variable.name.casefold() for variable in function.expressions]
        kinds = [start, element] if name in ("aggregate", "reduce") else [element, "int"]
        if name == "zip_with" or not isinstance(function, exp.Lambda):
            return self.operation(node, f"{name} with lambda", [Argument(array)])
        result = self.type_of(function.this, scope.with_names(dict(zip(variables, kinds, strict=False))))
        self.operation(node, f"{name} with lambda", [Argument(array)])
        if result is None:
            return None
        return {"transform": f"array<{result}>", "filter": array, "exists": "boolean", "forall": "boolean"}.get(name, start)

    def _window(self, node: Any, scope: Scope) -> Typed:
        if node.args.get("alias") is not None:
            self._named_window(node, scope)
        for part in node.args.get("partition_by") or []:
            self.operation(part, "partition by", [Argument(self.type_of(part, scope))])
        order = node.args.get("order")
        for part in order.expressions if order is not None else []:
            self.order_by(part, "order by in window", scope)
        return self._over(node.this, scope, f" {frame_name(self._definition(node))}")

    def _definition(self, node: Any) -> Any:
        """The window that a name stands for."""
        from sqlglot import exp

        alias = node.args.get("alias")
        select = node.find_ancestor(exp.Select)
        named = {w.this.name.casefold(): w for w in (select.args.get("windows") or [])} if select is not None else {}
        return node if alias is None else named.get(alias.name.casefold(), node)

    def _named_window(self, node: Any, scope: Scope) -> None:
        definition = self._definition(node)
        if definition is not node:
            for part in definition.args.get("partition_by") or []:
                self.operation(part, "partition by", [Argument(self.type_of(part, scope))])
            self.construct(node, "window clause")

    def _over(self, node: Any, scope: Scope, suffix: str) -> Typed:
        from sqlglot import exp

        if isinstance(node, exp.IgnoreNulls):
            return self._over(node.this, scope, f" ignore nulls{suffix}")
        if isinstance(node, exp.RespectNulls):
            return self._over(node.this, scope, suffix)
        if isinstance(node, exp.Filter):
            self._condition(node.expression.this, scope)
            return self._over(node.this, scope, f" filter{suffix}")
        if isinstance(node, exp.Anonymous):
            return self._anonymous(node, scope, suffix)
        if self.rules.refuse:
            self.findings.problem(node, f"{self.findings.shown(node)} is not a function that the check knows")
        return None

    def _filter(self, node: Any, scope: Scope) -> Typed:
        self._condition(node.expression.this, scope)
        self.construct(node, "filter (where)")
        return self._over(node.this, scope, "")

    def _ignorenulls(self, node: Any, scope: Scope) -> Typed:
        return self._over(node.this, scope, " ignore nulls")

    def _withingroup(self, node: Any, scope: Scope) -> Typed:
        ordered = node.expression.expressions
        arguments = [self.argument(part, scope) for part in [*node.this.expressions, ordered[0].this]]
        descending = " desc" if ordered[0].args.get("desc") else ""
        return self.operation(node, f"{node.this.name.lower()} within group{descending}", arguments)

    def order_by(self, node: Any, name: str, scope: Scope) -> None:
        """A part of ORDER BY; where null comes is part of what is proved."""
        kind = self.type_of(node.this, scope)
        self.operation(node, name, [Argument(kind)])
