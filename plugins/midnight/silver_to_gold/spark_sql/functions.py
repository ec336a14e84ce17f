"""Calls of functions, casts, and the constructors of arrays, maps and structs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from midnight.silver_to_gold.spark_sql.casts import cast_for_sail
from midnight.silver_to_gold.spark_sql.dialect import span
from midnight.silver_to_gold.spark_sql.literals import literal_text
from midnight.silver_to_gold.spark_sql.lookups import Argument, Lookups, Typed
from midnight.silver_to_gold.spark_sql.operations import (
    ANY_ORDER,
    CAST_FUNCTIONS,
    EACH_ALONE,
    LAMBDAS,
    ORDERING,
    UNIT_FIRST,
    VARIADIC,
    interval_name,
)
from midnight.silver_to_gold.spark_sql.scopes import Scope
from midnight.silver_to_gold.spark_sql.types import compared_type, element_of, type_name


class Functions(Lookups):
    """See the module."""

    def _anonymous(self, node: Any, scope: Scope, suffix: str = "") -> Typed:
        from sqlglot import exp

        name, inputs = node.name.lower(), list(node.expressions)
        if name in LAMBDAS and any(isinstance(part, exp.Lambda) for part in inputs):
            return self._higher_order(node, name, scope)
        if name in ("struct", "named_struct", "map", "array"):
            return self._constructor(node, name, scope)
        if len(inputs) == 1 and isinstance(inputs[0], exp.Distinct):
            suffix, inputs = f" distinct{suffix}", list(inputs[0].expressions)
        arguments = [self._input(part, position, name, len(inputs), scope) for position, part in enumerate(inputs)]
        any_order = name in ANY_ORDER and not suffix.startswith(" over") and not self._is_ordered(node)
        if any_order and self.rules.refuse:
            shown = self.findings.shown(node)
            self.findings.problem(
                node, f"{shown} returns its elements in any order, on Apache Spark as well; hint: sort_array({shown})"
            )
        return self._call(node, name, arguments, suffix)

    def _input(self, part: Any, position: int, name: str, count: int, scope: Scope) -> Argument:
        from sqlglot import exp

        if isinstance(part, exp.Star):
            return Argument("*")
        if position == 0 and count == 3 and name in UNIT_FIRST and isinstance(part, exp.Column) and not part.table:
            return Argument(part.name.lower(), node=part)
        return self.argument(part, scope)

    def _call(self, node: Any, name: str, arguments: Sequence[Argument], suffix: str) -> Typed:
        if suffix:
            return self.operation(node, f"{name}{suffix}", arguments)
        if name in CAST_FUNCTIONS and len(arguments) == 1:
            target = type_name(name)
            return self._converted(node, "cast", arguments[0], target, f"CAST({{0}} AS {target.upper()})")
        if name == "mod" and len(arguments) == 2:
            return self._modulo(node, arguments)
        if name in ("nvl", "ifnull", "nvl2", "nullif"):
            return self._null_function(node, name, arguments)
        return self._of_several(node, name, arguments)

    def _of_several(self, node: Any, name: str, arguments: Sequence[Argument]) -> Typed:
        """Functions whose arguments were compared together, or one by one."""
        if name in ("if", "iff") and len(arguments) == 3:
            return self._common_type(node, "case", arguments[1:])
        if name in VARIADIC and len(arguments) > 1:
            return self._common_type(node, name, arguments)
        if name in ("max_by", "min_by") and len(arguments) == 2:
            # The returned and the ordering argument are independent: each was compared next to a whole number.
            value, order = arguments
            self.operation(node, name, [Argument("int"), Argument(order.kind)])
            return self.operation(node, name, [Argument(value.kind), Argument("int")])
        if name in EACH_ALONE:
            fixed = EACH_ALONE[name]
            kinds = [self.operation(node, name, [*arguments[:fixed], other]) for other in arguments[fixed:]]
            return None if None in kinds else next(iter(kinds), None)
        return self.operation(node, name, arguments)

    def _modulo(self, node: Any, arguments: Sequence[Argument]) -> Typed:
        """MOD is the operator %, whose form for Sail is proved."""
        count = len(self.findings.edits)
        result = self.operation(node, "%", arguments)
        if all(edit.place != span(node) for edit in self.findings.edits[count:]):
            self._edit(node, "({0} % {1})", arguments)
        return result

    def _null_function(self, node: Any, name: str, arguments: Sequence[Argument]) -> Typed:
        """NVL, NVL2 and NULLIF as COALESCE and CASE: Sail treats arrays as texts in them, and has other types."""
        first, *others = arguments
        if any(argument.kind is None for argument in arguments):
            return None
        if name == "nullif" and len(others) == 1:
            common = compared_type(first.kind or "", others[0].kind or "")
            sides = [
                f"({text})" if common in (None, "void", argument.kind) else f"CAST({text} AS {common.upper()})"
                for text, argument in (("{0}", first), ("{1}", others[0]))
            ]
            self._edit(node, f"(CASE WHEN {sides[0]} = {sides[1]} THEN NULL ELSE {{0}} END)", arguments)
            return self.operation(node, name, [Argument(first.kind), Argument(others[0].kind)])
        if name == "nvl2" and len(others) == 2:
            self._edit(node, "(CASE WHEN ({0}) IS NOT NULL THEN {1} ELSE {2} END)", arguments)
            return self._common_type(node, "case", others)
        self._edit(node, f"coalesce({', '.join(f'{{{n}}}' for n in range(len(arguments)))})", arguments)
        return self._common_type(node, "coalesce", arguments)

    @staticmethod
    def _is_ordered(node: Any) -> bool:
        parent = node.parent
        return parent is not None and parent.name.lower() in ORDERING

    def _constructor(self, node: Any, name: str, scope: Scope) -> Typed:
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
        return {"transform": f"array<{result}>", "filter": array, "exists": "boolean", "forall": "boolean"}.get(
            name, start
        )

    def _cast(self, node: Any, scope: Scope) -> Typed:
        return self._cast_to("cast", node, scope)

    def _trycast(self, node: Any, scope: Scope) -> Typed:
        return self._cast_to("try_cast", node, scope)

    def _cast_to(self, name: str, node: Any, scope: Scope) -> Typed:
        target = type_name(node.args["to"].sql(dialect="spark"))
        return self._converted(node, name, self.argument(node.this, scope), target)

    def _converted(self, node: Any, name: str, value: Argument, target: str, otherwise: str | None = None) -> Typed:
        """A cast; ``otherwise`` is the form for Sail where the cast needs no correction."""
        if value.kind is None:
            return target  # its type is known from here on
        self.operation(node, f"{name} to {target.partition('(')[0]}", [value])
        template = cast_for_sail(name, value.kind, target) or otherwise
        if template is not None:
            self._edit(node, template, [value])
        return target

    def _interval(self, node: Any, _scope: Scope) -> Typed:
        name = interval_name(node)
        if name is None and self.rules.refuse:
            self.findings.problem(
                node,
                f"{self.findings.shown(node)} is not a whole number of one unit; hint: write "
                "INTERVAL 1 DAY, or timestampadd(MINUTE, amount, value)",
            )
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
