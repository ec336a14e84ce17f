"""The digests of a layer while several threads bring tables to silver."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from midnight.errors import ReconciliationError
from midnight.reconciliation.digest_states import TableDigest
from spark_jobs.reconciliation import proofs as module
from spark_jobs.reconciliation.proofs import Proof, Proofs


def proof(name: str) -> Proof:
    values = {"content": "c", "stamp": "s", "version": 1, "status": "equal", "columns": "{}", "digest": b""}
    return Proof((), TableDigest(table=name, recorded_at=datetime(2026, 1, 1, tzinfo=UTC), **values))


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The names that each commit has written; ``during`` is called while one is written."""
    commits: list[Any] = []

    def write(session, path, states):
        during = commits.pop() if commits and callable(commits[-1]) else lambda: None
        commits.append(sorted(states))
        during()

    monkeypatch.setattr(module, "read_engine_states", lambda *_: {})
    monkeypatch.setattr(module, "write_engine_states", write)
    return commits


def test_a_digest_that_is_added_while_others_are_written_is_written_next(written):
    found = Proofs(None, "digests")
    found.add(proof("a"))
    written.append(lambda: found.add(proof("b")))
    found.save()
    found.save()
    found.save()
    assert written == [["a"], ["a", "b"]]


def test_digests_that_could_not_be_written_are_written_later(written):
    def fail():
        raise ReconciliationError("disk full")

    found = Proofs(None, "digests")
    found.add(proof("a"))
    written.append(fail)
    with pytest.raises(ReconciliationError):
        found.save()
    found.save()
    assert written == [["a"], ["a"]]
