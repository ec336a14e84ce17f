"""The branches of FROM: inputs, subqueries, joins, generators."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import count
from typing import TYPE_CHECKING

from midnight.silver_to_gold.refresh.branches import Atom, Branch, Constraint, Output
from midnight.silver_to_gold.refresh.names import Names, Unresolved, atomic, conjuncts
from midnight.silver_to_gold.refresh.tree import TooComplexError, number_of
from midnight.silver_to_gold.spark_sql.operations import GENERATORS
from midnight.silver_to_gold.spark_sql.relations import BATCH_COLUMN
from midnight.silver_to_gold.spark_sql.scopes import Relation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlglot import exp

# More branches than this are not followed: the SQL of the affected keys would be longer than it is worth.
_MOST_BRANCHES = 32
_OUTER = ("LEFT", "RIGHT", "SEMI", "ANTI", "FULL", "NATURAL", "ASOF")
_GENERATED = ("pos", "col", "key", "value")


@dataclass(frozen=True)
class Rows:
    """The rows of FROM so far, of one combination of the sources' branches."""

    branch: Branch = field(default_factory=Branch)
    names: Names = field(default_factory=Names)
    hidden: str = ""


class Sources:
    """Reads FROM of one model's query."""

    def __init__(self, inputs: Mapping[str, tuple[str, Relation]]) -> None:
        """``inputs``: view name in lower case -> reference and columns."""
        self._inputs = inputs
        self._atoms: dict[int, Atom] = {}
        self._joins = count()

    def query(self, node: exp.Expr) -> list[Branch]:
        """The branches of a query."""
        raise NotImplementedError

    @property
    def atoms(self) -> dict[int, Atom]:
        """The followed occurrences of inputs, by the number of the table (``tree.number_of``)."""
        return self._atoms

    def from_clause(self, select: exp.Select) -> list[Rows]:
        """Every combination of the sources' branches."""
        rows = [Rows()]
        for source, join in _sources(select):
            branches = self._source(source)
            alias = source.alias_or_name.casefold() or f" {next(self._joins)}"
            identifier = next(self._joins)
            rows = [self._joined(row, alias, branch, join, identifier) for row in rows for branch in branches]
            if len(rows) > _MOST_BRANCHES:
                raise TooComplexError(f"it combines more than {_MOST_BRANCHES} branches of UNION")
        for lateral in select.args.get("laterals") or []:
            columns = lateral.args["alias"].args.get("columns") or [] if lateral.args.get("alias") else []
            given = [column.name for column in columns] or list(_GENERATED)
            branch = Branch(
                outputs=tuple(Output(name, None, "computed by LATERAL VIEW") for name in given), ordered=False
            )
            alias = lateral.alias.casefold() or f" {next(self._joins)}"
            rows = [self._joined(row, alias, branch, None, 0) for row in rows]
        return rows

    def _source(self, node: exp.Expr) -> list[Branch]:
        from sqlglot import exp

        if node.args.get("sample") is not None:
            raise TooComplexError("TABLESAMPLE chooses rows at random")
        alias = node.args.get("alias")
        names = [column.name for column in (alias.args.get("columns") or [])] if alias is not None else []
        if isinstance(node, exp.Table):
            branches = [self._table(node)]
        elif isinstance(node, exp.Subquery) and isinstance(node.this, exp.Query):
            branches = self.query(node.this if not node.args.get("with_") else node)
        elif isinstance(node, exp.Values):
            width = len(node.expressions[0].expressions) if isinstance(node.expressions[0], exp.Tuple) else 1
            branches = [Branch(outputs=tuple(Output(f"col{i}", None, "in VALUES") for i in range(1, width + 1)))]
        else:  # LATERAL, or joins in parentheses: the inputs in it are not followed
            branches = [Branch(ordered=False, complete=False)]
        if node.args.get("pivots"):
            return [replace(b.hidden("computed by PIVOT"), outputs=(), ordered=False, complete=False) for b in branches]
        return [branch.renamed(names) for branch in branches]

    def _table(self, node: exp.Table) -> Branch:
        from sqlglot import exp

        if not isinstance(node.this, exp.Identifier):
            called = node.this.name.lower() if isinstance(node.this, exp.Anonymous) else node.this.key
            names = ("id",) if called == "range" else _GENERATED if called in GENERATORS else ()
            outputs = tuple(Output(name, None, f"computed by {called}") for name in names)
            return Branch(outputs=outputs, ordered=called == "range", complete=bool(names))
        known = self._inputs.get(node.name.casefold())
        if known is None or node.db:
            raise TooComplexError(f"the columns of {node.name} are not known")
        reference, relation = known
        number = number_of(node)
        atom = self._atoms.setdefault(number, Atom(number, reference, relation))
        return Branch((atom,), outputs=tuple(_input_column(atom, name) for name, _ in relation.columns))

    def _joined(self, rows: Rows, alias: str, branch: Branch, join: exp.Expr | None, identifier: int) -> Rows:
        if alias in rows.names.sources:
            raise TooComplexError(f"two tables are named {alias}")
        left, right = rows.branch, branch
        words = [] if join is None else [str(join.args.get(w) or "").upper() for w in ("method", "side", "kind")]
        outer = next((word for word in _OUTER if word in words), "")
        if "SEMI" in words or "ANTI" in words:
            outer = "SEMI"
        sources = dict(rows.names.sources)
        if outer in ("LEFT", "SEMI"):
            right = right.inside(identifier)
        elif outer == "RIGHT":
            left = left.inside(identifier)
        visible = Names({**sources, alias: right}, dict(rows.names.merged))
        context = (identifier,) if outer in ("LEFT", "SEMI", "RIGHT") else ()
        found: list[Constraint] = []
        merged = dict(rows.names.merged)
        if join is not None and outer not in ("FULL", "NATURAL", "ASOF"):
            on = join.args.get("on")
            found = [] if on is None else list(true_for_all(conjuncts(on), visible, context))
            for name in (column.name for column in join.args.get("using") or []):
                one, other = rows.names.find(name), right.output(name) or Output(name)
                found += _equal(one, other, context)
                merged[name.casefold()] = other if outer == "RIGHT" else one
        hidden = rows.hidden or (f"in a {outer} JOIN" if outer in ("FULL", "NATURAL", "ASOF") else "")
        names = Names(sources if outer == "SEMI" else visible.sources, merged)
        combined = Branch((*left.atoms, *right.atoms), (*left.constraints, *right.constraints, *found))
        return Rows(combined, names, hidden)


def _equal(one: Output, other: Output, context: tuple[int, ...]) -> list[Constraint]:
    from sqlglot import exp

    if one.value is None or other.value is None:
        return []
    return [Constraint(exp.EQ(this=atomic(one.value), expression=atomic(other.value)), context)]


def _sources(select: exp.Select) -> Iterator[tuple[exp.Expr, exp.Expr | None]]:
    from_ = select.args.get("from_")
    if from_ is None:
        return
    yield from_.this, None
    for join in [*(from_.this.args.get("joins") or []), *(select.args.get("joins") or [])]:
        yield join.this, join


def true_for_all(conditions: list[exp.Expr], names: Names, context: tuple[int, ...]) -> Iterator[Constraint]:
    for condition in conditions:
        resolved = names.resolve(condition)
        if not isinstance(resolved, Unresolved):
            yield Constraint(resolved, context)


def _input_column(atom: Atom, name: str) -> Output:
    from sqlglot import exp

    if name == BATCH_COLUMN[0]:
        return Output(name, None, f"computed from {name}")
    return Output(name, exp.column(exp.to_identifier(name, quoted=True), table=atom.name))
