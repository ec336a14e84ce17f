"""What people read when a gold model uses something that is not proved equal."""

from __future__ import annotations

from collections.abc import Sequence

from midnight.spark_sql.proof import Proof, ProvedList

_OTHERWISE = "or set MIDNIGHT_ENGINE=spark, or list it under unproved_functions in the contract"
# Another way to write an operation that is refused.
HINTS = {
    "first": "use min, max, min_by or max_by: which row is first is chance",
    "last": "use min, max, min_by or max_by: which row is last is chance",
    "first_value": "use min, max, min_by or max_by: which row is first is chance",
    "last_value": "use min, max, min_by or max_by: which row is last is chance",
    "any_value": "use min or max: which row is taken is chance",
}


def not_proved(shown: str, name: str, types: Sequence[str], proofs: ProvedList) -> str:
    """An operation that was not compared on these types."""
    what = f"{name}({', '.join(types)})" if types else name
    equal = [proof.arguments for proof in proofs.of_operation(name) if proof.is_equal]
    same_length = [arguments for arguments in equal if len(arguments) == len(types)]
    hint = HINTS.get(name.split(" ")[0])
    if hint is None and same_length:
        # Those that differ in the fewest arguments come first.
        closest = sorted(same_length, key=lambda a: sum(x != y.partition("(")[0] for x, y in zip(a, types, strict=True)))
        shown_types = " or ".join(f"({', '.join(arguments)})" for arguments in closest[:3])
        hint = f"CAST the arguments: proved is {shown_types}"
    return f"{shown}: {what} is not proved to be the same on Sail and Apache Spark; hint: " + (
        f"{hint}, {_OTHERWISE}" if hint else f"write it otherwise (docs/spark-sql.md), {_OTHERWISE}"
    )


def known_difference(shown: str, proof: Proof) -> str:
    """An operation on which the engines differ."""
    hint = HINTS.get(proof.operation.split(" ")[0])
    example = f" ({proof.note})" if proof.note else ""
    return f"{shown}: Sail does not answer as Apache Spark does{example}; hint: " + (
        f"{hint}, {_OTHERWISE}" if hint else f"write it otherwise (docs/spark-sql.md), {_OTHERWISE}"
    )
