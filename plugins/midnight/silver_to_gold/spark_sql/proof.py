"""The proved list: operations and types with the same value, type and error on Sail and Apache Spark."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path

PROOF_FILE = Path(__file__).with_name("proof.tsv")
EQUAL, DIFFERENT, REFUSED = "equal", "different", "refused"


@dataclass(frozen=True)
class Proof:
    """One line of the list.

    Args:
        operation: function in lower case, operator, or construct (``group by``).
        arguments: type of each argument; a literal whose value matters is given as written.
        verdict: ``equal``, ``different``, or ``refused``: Apache Spark itself does not accept these arguments.
        result: type of the result, or its rule in ``types.RESULT_RULES``.
        cases: number of compared values.
        note: an example, when it is not equal.
    """

    operation: str
    arguments: tuple[str, ...]
    verdict: str
    result: str
    cases: int
    note: str = ""

    @property
    def is_equal(self) -> bool:
        return self.verdict == EQUAL

    def to_line(self) -> str:
        """Return the line of the file."""
        arguments = _SEPARATOR.join(self.arguments)
        return "\t".join([self.operation, arguments, self.verdict, self.result, str(self.cases), self.note]).rstrip()


HEADER = "operation\targuments\tverdict\tresult\tcases\tnote"
# A literal argument may contain a comma.
_SEPARATOR = " × "  # noqa: RUF001


def render_proofs(proofs: Iterable[Proof], engines: str) -> str:
    """Return the text of the file: ``engines`` names the compared versions, then one line per proof, sorted."""
    lines = sorted(proof.to_line() for proof in proofs)
    return "\n".join([f"# {engines}", HEADER, *lines]) + "\n"


def parse_proofs(text: str) -> list[Proof]:
    """Parse the list from the text of its file."""
    proofs = []
    for line in text.splitlines()[2:]:
        operation, arguments, verdict, result, cases, *note = line.split("\t")
        parts = tuple(arguments.split(_SEPARATOR)) if arguments else ()
        proofs.append(Proof(operation, parts, verdict, result, int(cases), note[0] if note else ""))
    return proofs


class ProvedList:
    """Lookups in a list of proofs."""

    def __init__(self, proofs: Sequence[Proof]) -> None:
        self._proofs = {(proof.operation, proof.arguments): proof for proof in proofs}
        self.operations = {proof.operation for proof in proofs}

    def find(self, operation: str, arguments: Sequence[Sequence[str]]) -> Proof | None:
        """Return the proof of an operation; None when it was not compared.

        Args:
            operation: see ``Proof``.
            arguments: for each, its names in the list, the most specific first: ``["2", "int"]``.
        """
        for choice in product(*arguments):
            found = self._proofs.get((operation, choice))
            if found is not None:
                return found
        return None

    def of_operation(self, operation: str) -> list[Proof]:
        """Return all proofs of one operation."""
        return [proof for proof in self._proofs.values() if proof.operation == operation]


@cache
def proved_list() -> ProvedList:
    """Return the list of this version of Midnight."""
    return ProvedList(parse_proofs(PROOF_FILE.read_text(encoding="utf-8")))
