"""Types of expressions, bottom up: literals, columns, fields; the base classes have the others."""

from __future__ import annotations

from typing import Any

from midnight.silver_to_gold.spark_sql.literals import literal_text, number_type
from midnight.silver_to_gold.spark_sql.lookups import Argument, Typed
from midnight.silver_to_gold.spark_sql.predicates import Predicates
from midnight.silver_to_gold.spark_sql.scopes import Scope
from midnight.silver_to_gold.spark_sql.types import element_of, map_types, struct_fields
from midnight.silver_to_gold.spark_sql.windows import Windows


class Expressions(Predicates, Windows):
    """The types of one text's expressions. A node of class ``Between`` is typed by the method ``_between``."""

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
        if len(parts) >= 2 and scope.has_alias(parts[0]):
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
