"""Compare both engines case by case, and write the results as the proved list."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from midnight.errors import first_line
from midnight.silver_to_gold.spark_sql.dialect import parse_statements
from midnight.silver_to_gold.spark_sql.findings import Findings
from midnight.silver_to_gold.spark_sql.lookups import Rules
from midnight.silver_to_gold.spark_sql.proof import Proof, ProvedList
from midnight.silver_to_gold.spark_sql.queries import Queries
from midnight.silver_to_gold.spark_sql.scopes import Relation, Scope
from tools.spark_sql_proof.cases import Case
from tools.spark_sql_proof.comparison import Comparison, Operation, make_proofs
from tools.spark_sql_proof.engines import ERROR, EngineLostError, check_alive, statement
from tools.spark_sql_proof.grid import columns

BATCH, SMALL_BATCH = 40, 12
PARTS = 12  # values of j in the cases of aggregates and windows
ERROR_ROWS = 5  # number of rows failing on Spark that are tried on Sail
GRID = Relation(tuple(columns().items()), "grid")


@dataclass
class Campaign:
    """All comparisons of one run.

    Args:
        sail, spark: the engines with the grid (``engines.Sail``, ``engines.Spark``).
        known: the current proved list, for the types of nested operations.
    """

    sail: Any
    spark: Any
    known: list[Proof] = field(default_factory=list)
    comparisons: list[Comparison] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    splits: list[str] = field(default_factory=list)

    def run(
        self, cases: Sequence[Case], progress: Callable[[str], None] = print, only: Sequence[str] | None = None
    ) -> None:
        """Compare cases, or those of some operations ``only``; their proofs are used by the next call."""
        proofs = ProvedList(self.known)
        found = [comparison for item in cases if (comparison := self.prepared(item, proofs)) is not None]
        if only:
            found = [comparison for comparison in found if comparison.operation.name.partition(" (")[0] in only]
        by_rows: dict[tuple[str, str], list[Comparison]] = defaultdict(list)
        for comparison in found:
            by_rows[comparison.case.mode, comparison.case.where].append(comparison)
        done = 0
        for (mode, where), group in by_rows.items():
            size = BATCH if mode == "rows" else SMALL_BATCH
            for start in range(0, len(group), size):
                self._compare_safely(group[start : start + size], mode, where)
                done += min(size, len(group) - start)
                if done % (BATCH * 5) < size:
                    progress(f"{done} of {len(found)}, {len(self.splits)} batches split {self.splits[-1:]}")
        self.comparisons += found
        new = {(proof.operation, proof.arguments): proof for proof in make_proofs(self.comparisons)}
        old = {(proof.operation, proof.arguments): proof for proof in self.known}
        self.known = list({**old, **new}.values())

    def prepared(self, item: Case, proofs: ProvedList) -> Comparison | None:
        """Return a case as the check sees it, in Sail's form; None (and recorded) when it cannot be parsed."""
        records: list[Operation] = []
        prefix = "" if item.mode == "query" else "SELECT "
        findings = Findings(f"{prefix}{item.text}")
        nodes: list[Any] = []

        def record(node: Any, name: str, types: list[str], literals: list[str | None]) -> None:
            nodes.append(node)
            records.append(Operation(name, types, literals))

        rules = Rules(proofs, recorder=record)
        queries = Queries(findings, rules, {"grid": GRID})
        try:
            tree = parse_statements(findings.text)[0]
            if item.mode == "query":
                queries.columns(tree, Scope())
            else:
                queries.expressions.type_of(tree.expressions[0], Scope({"grid": GRID}))
        except Exception as error:  # noqa: BLE001 - of any kind: the case is reported
            self.unreadable.append(f"{item.text}: {type(error).__name__} {first_line(error, 160)}")
            return None
        if item.about:
            chosen = [found for found in records if found.name == item.about]
        else:
            outermost = _outermost(tree.expressions[0])
            chosen = [found for found, node in zip(records, nodes, strict=True) if any(node is n for n in outermost)][
                -1:
            ]
        if not chosen:
            self.unreadable.append(f"{item.text}: {findings.problems}")
            return None
        return Comparison(item, chosen[0], findings.rewritten().removeprefix(prefix))

    def _compare_safely(self, group: list[Comparison], mode: str, where: str) -> None:
        """Compare a case; an error of the comparison itself counts as different and does not end the campaign."""
        try:
            self._compare(group, mode, where)
        except EngineLostError:
            raise
        except Exception as error:  # noqa: BLE001 - of any kind
            if len(group) == 1:
                group[0].note = f"cannot be compared: {type(error).__name__} {first_line(error, 160)}"
                return
            self.splits.append(
                f"{len(group)} from {group[0].case.text}: {type(error).__name__} {first_line(error, 160)}"
            )
            middle = len(group) // 2
            self._compare_safely(group[:middle], mode, where)
            self._compare_safely(group[middle:], mode, where)

    def _compare(self, group: list[Comparison], mode: str, where: str) -> None:
        if mode == "query":
            for comparison in group:
                self._compare_query(comparison)
            return
        accepted = self._analysed(group, mode)
        if not accepted:
            return
        if mode != "rows":
            self._compare_parts(accepted, mode, where)
            return
        expected = self.spark.values([c.case.text for c in accepted], where)
        try:
            actual: list[Any] = list(self.sail.run(statement([c.sail_text for c in accepted], where)))
        except Exception:  # noqa: BLE001 - any of them may have failed
            actual = [None] * len(accepted)
        for comparison, values, answer in zip(accepted, expected, actual, strict=True):
            comparison.rows = len(values)
            comparison.note = self._difference(comparison, values, answer, where)

    def _analysed(self, group: list[Comparison], mode: str) -> list[Comparison]:
        """Return the cases that Apache Spark accepts, with their types."""
        try:
            kinds = self.spark.kinds([comparison.case.text for comparison in group], grouped=mode == "groups")
        except Exception as error:  # noqa: BLE001 - py4j's
            check_alive(error)
            if len(group) == 1:
                group[0].refusal = first_line(error, 160)
                return []
            middle = len(group) // 2
            return [*self._analysed(group[:middle], mode), *self._analysed(group[middle:], mode)]
        for comparison, kind in zip(group, kinds, strict=True):
            comparison.kind = kind
        return group

    # -- a value or an error for each row --------------------------------------------------------------------------

    def _difference(self, comparison: Comparison, expected: list[str], answer: Any, where: str) -> str:
        errors = [row for row, value in enumerate(expected) if value == ERROR]
        if answer is None or errors:
            try:
                answer = self._alone(comparison.sail_text, where, errors, len(expected))
            except Exception as error:  # noqa: BLE001 - every error of Sail is a finding
                return f"Sail: {first_line(error, 160)}"
        kind, values = answer
        if kind != comparison.kind:
            return f"Sail gives {kind}, Apache Spark {comparison.kind}"
        for row, value in enumerate(expected):
            if value != ERROR and values[row] != value:
                return f"Sail gives {values[row][:60]}, Apache Spark {value[:60]}"
        for row in errors[:: max(1, len(errors) // ERROR_ROWS)]:
            only = f"({where}) AND id = {self._row_id(where, row)}"
            try:
                ((_, given),) = self.sail.run(statement([comparison.sail_text], only))
            except Exception:  # noqa: BLE001, S112 - it fails, as expected
                continue
            return f"Sail gives {given[0][:60]}, Apache Spark stops"
        return ""

    def _alone(self, text: str, where: str, errors: list[int], count: int) -> tuple[str, list[str]]:
        """Return type and values of one expression, without the rows that fail on Apache Spark."""
        ids = [self._row_id(where, row) for row in range(count)]
        bad = {ids[row] for row in errors}
        if len(bad) == count:
            return self.sail.kind(text), [ERROR] * count
        listed = ", ".join(map(str, sorted(bad)))
        ((kind, values),) = self.sail.run(statement([text], f"({where}) AND id NOT IN ({listed})" if bad else where))
        given = iter(values)
        return kind, [ERROR if row in bad else next(given) for row in ids]

    def _row_id(self, where: str, row: int) -> int:
        if where not in self._ids:
            ((_, values),) = self.sail.run(f"SELECT id FROM grid WHERE {where} ORDER BY id")
            self._ids[where] = [int(value) for value in values]
        return self._ids[where][row]

    # -- aggregates and windows: one error fails all --------------------------------------------------------------

    def _compare_parts(self, group: list[Comparison], mode: str, where: str) -> None:
        grouped = mode == "groups"
        texts = [comparison.case.text for comparison in group]
        expected = _together(self.spark.run, texts, where, grouped)
        actual = _together(self.sail.run, [comparison.sail_text for comparison in group], where, grouped)
        for comparison, on_spark, on_sail in zip(group, expected, actual, strict=True):
            if on_spark is None or on_sail is None:
                wanted = _by_part(self.spark.run, comparison.case.text, where, grouped)
                given = _by_part(self.sail.run, comparison.sail_text, where, grouped)
            else:
                wanted, given = on_spark, on_sail
            comparison.rows = len(wanted[1])
            comparison.note = _parts_differ(comparison.kind, wanted[1], *given)

    # -- whole queries --------------------------------------------------------------------------------------------

    def _compare_query(self, comparison: Comparison) -> None:
        in_order = "ORDER BY" in comparison.case.text.rpartition(")")[2]
        try:
            expected = self.spark.run(comparison.case.text, in_order=in_order)
        except Exception as error:  # noqa: BLE001 - Spark's, at analysis or later
            check_alive(error)
            comparison.refusal = first_line(error, 160)
            return
        # A set operation has the type of its column; a condition is true or false; other parts have no type.
        name, has_types = comparison.operation.name, bool(comparison.operation.types)
        condition = name in ("=", "in query", "in query as value")
        comparison.kind = "boolean" if condition else expected[0][0] if has_types else "relation"
        comparison.rows = len(expected[0][1])
        try:
            actual = self.sail.run(comparison.sail_text, in_order=in_order)
        except Exception as error:  # noqa: BLE001 - every error of Sail is a finding
            comparison.note = f"Sail: {first_line(error, 160)}"
            return
        for (kind, wanted), (sail_kind, given) in zip(expected, actual, strict=True):
            comparison.note = comparison.note or _parts_differ(kind, wanted, sail_kind, given)

    _ids: dict[str, list[int]] = field(default_factory=dict)


def _outermost(node: Any) -> list[Any]:
    """The nodes that can be the operation of a case: a call, or the nodes around it."""
    from sqlglot import exp

    nodes = [node]
    wrappers = (exp.Paren, exp.Alias, exp.Window, exp.Filter, exp.IgnoreNulls, exp.RespectNulls, exp.Not)
    while isinstance(nodes[-1], wrappers):
        nodes.append(nodes[-1].this)
    return nodes


Column = tuple[str, tuple[str, ...]]


def _together(run: Callable[[str], list[Column]], texts: list[str], where: str, grouped: bool) -> list[Column | None]:
    """Run all expressions in one query, otherwise separately; None for one that fails."""
    try:
        return list(run(statement(texts, where, grouped=grouped)))
    except Exception:  # noqa: BLE001 - one of them fails
        if len(texts) == 1:
            return [None]
    middle = len(texts) // 2
    return [*_together(run, texts[:middle], where, grouped), *_together(run, texts[middle:], where, grouped)]


def _by_part(run: Callable[[str], list[Column]], text: str, where: str, grouped: bool) -> Column:
    """The values of each j, or ``ERROR``."""
    kind, values = "", []
    for number in range(PARTS):
        try:
            ((kind, found),) = run(statement([text], f"({where}) AND j = {number}", grouped=grouped))
        except Exception as error:  # noqa: BLE001 - it fails
            values.append(f"{ERROR} {first_line(error, 160)}")
        else:
            values.append(repr(found))
    return kind, tuple(values)


def _parts_differ(kind: str, wanted: Sequence[str], sail_kind: str, given: Sequence[str]) -> str:
    if sail_kind and sail_kind != kind:
        return f"Sail gives {sail_kind}, Apache Spark {kind}"
    if len(wanted) != len(given):
        return f"Sail gives {len(given)} rows, Apache Spark {len(wanted)}"
    for value, other in zip(wanted, given, strict=True):
        if value != other and not (value.startswith(ERROR) and other.startswith(ERROR)):
            return f"Sail gives {other[:70]}, Apache Spark {value[:70]}"
    return ""
