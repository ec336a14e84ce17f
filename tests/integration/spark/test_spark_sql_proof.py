"""The proved list: it is complete, matches the installed engines, and a sample of it holds on both."""

from __future__ import annotations

import hashlib

import pytest
from deltalake import write_deltalake

from midnight.silver_to_gold.spark_sql.proof import PROOF_FILE, ProvedList, parse_proofs, render_proofs
from midnight.silver_to_gold.spark_sql.types import result_type
from tools.spark_sql_proof.__main__ import engine_versions
from tools.spark_sql_proof.campaign import Campaign
from tools.spark_sql_proof.comparison import TARGET, UNTYPED, recorded_arguments
from tools.spark_sql_proof.engines import TABLE, Sail, Spark
from tools.spark_sql_proof.families import FAMILIES
from tools.spark_sql_proof.grid import grid_table

TEXT = PROOF_FILE.read_text(encoding="utf-8")
PROOFS = parse_proofs(TEXT)


def sampled(share: int):
    """One of ``share`` cases of each family, always the same ones."""
    for make_cases in FAMILIES.values():
        for case in dict.fromkeys(make_cases()):
            if int(hashlib.sha256(repr(case).encode()).hexdigest(), 16) % share == 0:
                yield case


def test_the_list_belongs_to_the_installed_engines():
    """A new version of an engine needs `make prove-spark-sql`."""
    assert TEXT.splitlines()[0] == f"# {engine_versions()}"
    assert render_proofs(PROOFS, engine_versions()) == TEXT


def test_every_case_of_the_campaign_is_in_the_list():
    campaign = Campaign(None, None, PROOFS)
    known = {(proof.operation, proof.arguments) for proof in PROOFS}
    missing, count = [], 0
    for case in sampled(25):
        comparison = campaign.prepared(case, ProvedList(PROOFS))
        count += 1
        if comparison is not None:
            keys = [(comparison.operation.name, arguments) for arguments in recorded_arguments(comparison.operation)]
            missing += [key for key in keys if key not in known]
    assert missing == []
    assert campaign.unreadable == []
    assert count > 400


@pytest.mark.spark
def test_a_sample_of_the_list_holds_on_both_engines(sail_session, spark_session, tmp_path):
    write_deltalake(tmp_path, grid_table())
    sail_session.read.format("delta").load(str(tmp_path)).createOrReplaceTempView(TABLE)
    spark = Spark(spark_session)
    spark.read(str(tmp_path))
    campaign = Campaign(Sail(sail_session), spark, PROOFS)
    campaign.run(list(sampled(300)), lambda _: None)
    proofs = ProvedList(PROOFS)
    equal = 0
    for comparison in campaign.comparisons:
        operation = comparison.operation
        proof = proofs.find(operation.name, operation.stands)
        if proof is not None and proof.is_equal:
            equal += 1
            assert (comparison.note, comparison.refusal) == ("", ""), comparison.case
            if proof.result not in (TARGET, UNTYPED):
                kind = result_type(proof.result, operation.types, operation.literals)
                assert kind == comparison.kind, comparison.case
    assert equal > 20
