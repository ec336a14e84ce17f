"""Random gold models, input tables and changes, from a seed: for the tests of how a model is refreshed."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

from midnight.silver_to_gold.models import GoldColumn, GoldModel, GoldModelContract
from midnight.silver_to_gold.spark_sql.scopes import Relation

Row = tuple[object, ...]

TABLES = {
    "silver.orders": (("id", "int"), ("k", "int"), ("s", "string"), ("v", "int")),
    "silver.items": (("id", "int"), ("k", "int"), ("s", "string"), ("w", "bigint")),
    "silver.parts": (("k", "int"), ("name", "string"), ("v", "int")),
    "gold.days": (("k", "bigint"), ("s", "string")),
}
RELATIONS = {name.replace(".", "__"): Relation(columns, name) for name, columns in TABLES.items()}


def random_tables(random: Random) -> dict[str, list[Row]]:
    """Few rows with few values, so that joins match and groups have several rows; any value may be null."""
    return {name: [_row(random, name) for _ in range(random.randint(2, 9))] for name in TABLES}


def random_changes(random: Random, old: dict[str, list[Row]]) -> dict[str, list[Row]]:
    """The tables after inserts, updates and deletes in one or several of them."""
    new = {name: list(rows) for name, rows in old.items()}
    for name in random.sample(sorted(new), random.randint(1, 3)):
        for _ in range(random.randint(1, 4)):
            rows, kind = new[name], random.choice(("insert", "update", "update", "delete"))
            if kind == "insert" or not rows:
                rows.append(_row(random, name))
                continue
            position = random.randrange(len(rows))
            if kind == "delete":
                del rows[position]
            else:
                values = list(rows[position])
                column = random.randrange(len(values))
                values[column] = _row(random, name)[column]
                rows[position] = tuple(values)
    return new


def _row(random: Random, name: str) -> Row:
    return tuple(
        None if random.random() < 0.15 else random.randint(0, 3) if kind != "string" else random.choice("xyz")
        for _, kind in TABLES[name]
    )


@dataclass
class _Query:
    sql: str
    columns: list[tuple[str, str]]


@dataclass
class ModelWriter:
    """Writes one random model."""

    random: Random
    tables: list[_Query] = field(default_factory=list)
    used: int = 0

    def model(self) -> GoldModel:
        """A model whose contract has a random key."""
        for _ in range(self.random.choice((0, 0, 1, 2))):
            query = self._query(1)
            self.tables.append(_Query(f"cte{len(self.tables)}", query.columns))
            self.tables[-1].__dict__["body"] = query.sql
        query = self._query(2)
        with_ = ", ".join(f"{table.sql} AS ({table.__dict__['body']})" for table in self.tables)
        sql = f"WITH {with_} {query.sql}" if with_ else query.sql
        names = [name for name, _ in query.columns]
        contract = GoldModelContract(
            description="",
            key=tuple(self.random.sample(names, self.random.randint(1, len(names)))),
            columns=tuple(GoldColumn(name=name, type=kind.upper()) for name, kind in query.columns),
        )
        references = {name.replace(".", "__"): name for name in TABLES}
        return GoldModel(name="random", sql=sql, references=references, contract=contract)

    def _query(self, depth: int) -> _Query:
        if self.random.random() < 0.2:
            return self._union(depth)
        return self._select(depth)

    def _union(self, depth: int) -> _Query:
        one = self._select(depth)
        word = self.random.choice(("UNION ALL", "UNION ALL", "UNION ALL", "UNION", "EXCEPT", "INTERSECT"))
        if self.random.random() < 0.3 and word == "UNION ALL":
            constants = ", ".join("NULL" if self.random.random() < 0.3 else _constant(kind) for _, kind in one.columns)
            return _Query(f"{one.sql} UNION ALL SELECT {constants}", one.columns)
        for _ in range(20):
            other = self._select(depth)
            if [kind for _, kind in other.columns] == [kind for _, kind in one.columns]:
                return _Query(f"{one.sql} {word} {other.sql}", one.columns)
        return one

    def _source(self, depth: int) -> tuple[str, list[tuple[str, str, str]]]:
        self.used += 1
        alias = f"q{self.used}"
        chance = self.random.random()
        if depth and chance < 0.3:
            query = self._query(depth - 1)
            text, columns = f"({query.sql})", query.columns
        elif self.tables and chance < 0.6:
            table = self.random.choice(self.tables)
            text, columns = table.sql, table.columns
        else:
            name = self.random.choice(sorted(TABLES))
            text, columns = name.replace(".", "__"), list(TABLES[name])
        return f"{text} AS {alias}", [(alias, name, kind) for name, kind in columns]

    def _select(self, depth: int) -> _Query:
        text, visible = self._source(depth)
        for _ in range(self.random.choice((0, 0, 1, 1, 2))):
            text, visible = self._join(text, visible, depth)
        last = [column for column in visible if column[0] == visible[-1][0]]
        chosen = last if self.random.random() < 0.6 else visible
        where = f" WHERE {self._condition(chosen)}" if self.random.random() < 0.5 else ""
        if self.random.random() < 0.06:
            where = f"{where} AND" if where else " WHERE"
            where += f" {self._subquery_condition(visible)}"
        shape = self.random.choice(("rows", "rows", "group", "group", "window", "distinct", "star", "total"))
        if shape == "total" and self.random.random() < 0.7:
            shape = "rows"
        return getattr(self, f"_{shape}")(text + where, visible)

    def _join(self, text: str, visible: list, depth: int) -> tuple[str, list]:
        other, columns = self._source(max(depth - 1, 0))
        kinds = ("JOIN", "JOIN", "LEFT JOIN", "LEFT JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN")
        word = self.random.choice((*kinds, "LEFT SEMI JOIN", "LEFT ANTI JOIN", "CROSS JOIN"))
        if word == "CROSS JOIN":
            return f"{text} CROSS JOIN {other}", visible + columns
        pairs = [(a, b) for a in visible for b in columns if (a[2] == "string") == (b[2] == "string")]
        if not pairs:
            return text, visible
        (a, b) = self.random.choice(pairs)
        operator = self.random.choice(("=", "=", "=", "=", "<=>", "<"))
        sides = [f"{a[0]}.{a[1]}", f"{b[0]}.{b[1]}"]
        if self.random.random() < 0.25:
            sides[0] = f"coalesce({sides[0]}, {_constant(a[2])})"
        if self.random.random() < 0.5:
            sides.reverse()
        on = f"{sides[0]} {operator} {sides[1]}"
        if self.random.random() < 0.3:
            on += f" AND {self._condition(visible + columns)}"
        kept = visible if "SEMI" in word or "ANTI" in word else visible + columns
        return f"{text} {word} {other} ON {on}", kept

    def _condition(self, visible: list) -> str:
        alias, name, kind = self.random.choice(visible)
        column = f"{alias}.{name}"
        simple = self.random.choice(
            (
                f"{column} = {_constant(kind)}",
                f"{column} IS NOT NULL",
                f"{column} IS NULL",
                f"{column} <> {_constant(kind)}",
            )
        )
        if self.random.random() < 0.3:
            joined = self.random.choice(("AND", "OR"))
            return f"({simple} {joined} {self._condition(visible)})"
        return simple

    def _subquery_condition(self, visible: list) -> str:
        alias, name, kind = self.random.choice([column for column in visible if column[2] != "string"] or visible)
        if kind == "string":
            return f"{alias}.{name} IN (SELECT s FROM silver__items)"
        return self.random.choice(
            (
                f"{alias}.{name} IN (SELECT k FROM silver__parts)",
                f"{alias}.{name} >= (SELECT min(v) FROM silver__parts)",
                f"EXISTS (SELECT 1 FROM silver__items WHERE silver__items.k = {alias}.{name})",
            )
        )

    def _value(self, visible: list) -> tuple[str, str]:
        alias, name, kind = self.random.choice(visible)
        column = f"{alias}.{name}"
        if kind == "string":
            return self.random.choice((column, column, f"coalesce({column}, 'n')", f"upper({column})")), kind
        forms = (column, column, column, f"coalesce({column}, 9)", f"CASE WHEN {column} > 1 THEN 1 ELSE 0 END")
        form = self.random.choice(forms)
        return form, "int" if form.startswith("CASE") else kind

    def _named(self, values: list[tuple[str, str]]) -> _Query:
        columns = [(f"c{position}", kind) for position, (_, kind) in enumerate(values)]
        shown = ", ".join(f"{value} AS c{position}" for position, (value, _) in enumerate(values))
        return _Query(shown, columns)

    def _rows(self, text: str, visible: list) -> _Query:
        named = self._named([self._value(visible) for _ in range(self.random.randint(2, 4))])
        return _Query(f"SELECT {named.sql} FROM {text}", named.columns)

    def _star(self, text: str, visible: list) -> _Query:
        alias = self.random.choice(visible)[0]
        columns = [(name, kind) for owner, name, kind in visible if owner == alias]
        value, kind = self._value(visible)
        return _Query(
            f"SELECT {alias}.*, {value} AS extra{self.used} FROM {text}", [*columns, (f"extra{self.used}", kind)]
        )

    def _distinct(self, text: str, visible: list) -> _Query:
        query = self._rows(text, visible)
        return _Query(query.sql.replace("SELECT", "SELECT DISTINCT", 1), query.columns)

    def _total(self, text: str, visible: list) -> _Query:
        alias, name, kind = self.random.choice(visible)
        named = self._named([(f"max({alias}.{name})", kind), ("count(*)", "bigint")])
        return _Query(f"SELECT {named.sql} FROM {text}", named.columns)

    def _group(self, text: str, visible: list) -> _Query:
        groups = [self._value(visible) for _ in range(self.random.randint(1, 3))]
        alias, name, kind = self.random.choice(visible)
        values = [*groups, ("count(*)", "bigint"), (f"max({alias}.{name})", kind)]
        having = " HAVING count(*) > 1" if self.random.random() < 0.2 else ""
        named = self._named(values)
        by = ", ".join(dict.fromkeys(group for group, _ in groups))
        chance = self.random.random()
        if chance < 0.1:
            by = ", ".join(str(position) for position in range(1, len(groups) + 1))
        elif chance < 0.2 and having == "":
            by = f"GROUPING SETS (({by}), ())"
        return _Query(f"SELECT {named.sql} FROM {text} GROUP BY {by}{having}", named.columns)

    def _window(self, text: str, visible: list) -> _Query:
        parts = [self._value(visible) for _ in range(self.random.randint(1, 2))]
        order, _ = self._value(visible)
        alias, name, _ = self.random.choice(visible)
        by = ", ".join(part for part, _ in parts)
        over = self.random.choice(
            (f"PARTITION BY {by}", f"PARTITION BY {by}", f"PARTITION BY {by} ORDER BY {order}", "")
        )
        called = "rank()" if "ORDER" in over else f"count({alias}.{name})"
        if "ORDER" in over:
            called = self.random.choice(("rank()", "dense_rank()"))
        window = f"{called} OVER ({over})"
        named = self._named([*parts, self._value(visible), (window, "bigint")])
        qualify = (
            " QUALIFY rank() OVER (PARTITION BY " + by + f" ORDER BY {order}) = 1" if self.random.random() < 0.2 else ""
        )
        return _Query(f"SELECT {named.sql} FROM {text}{qualify}", named.columns)


def _constant(kind: str) -> str:
    return "'x'" if kind == "string" else "1"
