"""``docs/spark-sql.md``, made from the proved list: what gold models may use on Sail."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from midnight.silver_to_gold.spark_sql.proof import EQUAL, Proof, parse_proofs

_PATH = "plugins/midnight/silver_to_gold/spark_sql/proof.tsv"
_HEAD = """# Spark SQL in gold models

<!-- made from plugins/midnight/silver_to_gold/spark_sql/proof.tsv by python -m tools.generated_files; do not edit -->

After reading this page you know what a gold model may use, and what to do about what it may not.

A gold model runs on Sail on your laptop and on Apache Spark (or Databricks) in production.
Sail answers some questions otherwise, without an error.
So only what was compared is allowed on Sail: each function, operator and construct below was run on both engines, on
every combination of the types shown, over null, empty, boundary, overflowing and odd values.
Equal means: the same values, the same type (with precision and scale), and an error on one engine where the other has one.
The sign of a floating-point zero does not count, and dates outside of the years 1 to 9999 are not compared.

`make check`, `make doctor` and the first task of a run name each place in a model that is not in the list, with its line.
You then have four choices:

| choice | how |
|---|---|
| write it otherwise | the message names the types that are proved; a `CAST` often suffices |
| let Sail be corrected | nothing to do: see the corrections below |
| run Apache Spark locally | `MIDNIGHT_ENGINE=spark`; nothing is refused then |
| allow it without proof | `unproved_functions: [name]` in the model's contract; each local run warns |

A literal that decides the result (a unit, a pattern, a position) was compared as it stands; `number` and `text` stand
for any literal of a function whose compared ones were all equal.
`text` next to an operator is a literal text.
A pattern of `date_format` may be put together from the letters that were compared.

## Corrections

Sail gets these in another form, and the proof is of that form.
What you write is what production runs.

| in your model | Sail's own answer | what Sail gets |
|---|---|---|
| `+`, `-`, `*` of whole numbers | wraps around on overflow | the same in a wider type, cast back: an overflow is an error |
| `+`, `-`, `*`, `/`, `%` with decimals | other precision and scale; quotients are cut off | decimals of 76 digits, rounded to Spark's type |
| `sum` of whole numbers | wraps around | a sum of decimals, cast to BIGINT |
| `sum`, `avg` of decimals | other type; the mean is cut off | the same over more digits, rounded to Spark's type |
| comparisons, CASE, COALESCE, UNION of two types | another common type | a CAST to Spark's common type |
| `weekday`, `EXTRACT(DOW …)` | other numbers | made from `dayofweek` |
| `date_trunc`, `trunc`, `datediff`, `timestampdiff` | years before 1677 or after 2262 stop; other types and roundings | the same in microseconds, or from `make_date` |
| CAST of a float to a decimal | the binary value, rounded | the shortest text that means it, as Spark does |
| CAST of a timestamp to a number | rounded to zero, or microseconds | made from `unix_micros` |
| CAST of a text to a decimal | reads no exponent (`1e3`) | the same: a text with an exponent stops the run, in TRY_CAST, too |

## The list

Made with {engines}.
`make prove-spark-sql` makes it again, which a new version of an engine needs.
{equal} combinations are equal, {different} differ.

| operation | proved equal for | not for |
|---|---|---|
"""


def spark_sql_page(root: Path) -> dict[str, str]:
    """The page as path -> text."""
    text = (root / _PATH).read_text(encoding="utf-8")
    proofs = [proof for proof in parse_proofs(text) if proof.verdict != "refused"]
    equal = sum(proof.verdict == EQUAL for proof in proofs)
    head = _HEAD.format(engines=text.splitlines()[0].lstrip("# "), equal=equal, different=len(proofs) - equal)
    by_operation: dict[str, list[Proof]] = defaultdict(list)
    for proof in proofs:
        by_operation[proof.operation].append(proof)
    rows = [_row(name, found) for name, found in sorted(by_operation.items())]
    return {"docs/spark-sql.md": head + "\n".join(rows) + "\n"}


def _row(name: str, proofs: Sequence[Proof]) -> str:
    same = [proof.arguments for proof in proofs if proof.verdict == EQUAL]
    others = [proof.arguments for proof in proofs if proof.verdict != EQUAL]
    return f"| `{_cell(name)}` | {_combinations(same)} | {_combinations(others)} |"


def _combinations(choices: Iterable[tuple[str, ...]]) -> str:
    """Combinations of arguments, those that differ in the last one only put together."""
    by_first: dict[tuple[str, ...], list[str]] = defaultdict(list)
    alone = []
    for arguments in choices:
        if arguments:
            by_first[arguments[:-1]].append(arguments[-1])
        else:
            alone.append("yes")
    by_last: dict[str, list[tuple[str, ...]]] = defaultdict(list)
    for start, last in by_first.items():
        by_last[" \\| ".join(sorted(map(_cell, last)))].append(start)
    parts: list[str] = []
    for end, starts in by_last.items():
        if {len(start) for start in starts} == {1}:
            first = " \\| ".join(sorted(_cell(start[0]) for start in starts))
            parts.append(f"`{first}, {end}`")
        else:
            parts += [f"`{', '.join([*map(_cell, start), end])}`" for start in starts]
    return "<br>".join([*alone, *sorted(parts)])


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("`", "'")
