"""An ingest into Azure Storage with faults of the network and the service: a correct batch, or nothing visible."""

from __future__ import annotations

import asyncio
import dataclasses
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from types import SimpleNamespace

import pytest

from midnight.bronze.batches import BronzeStore
from midnight.errors import BronzeError, LakeError
from midnight.lake.azure import blob_reader as range_reader
from midnight.lake.azure import block_upload
from midnight.lake.azure.blob_reader import RangeReader
from midnight.lake.azure.block_upload import Transfers
from midnight.postgres_to_bronze import page_ranges
from tests.fakes.azure_lake import AzureLake
from tests.fakes.fault_proxy import Fault
from tests.support.error_chain import assert_no_secret
from tests.support.ingest_run import BronzeFolder, address_of, configure, run_sql

BIG = (
    "CREATE TABLE big (id int PRIMARY KEY, filler text)",
    "INSERT INTO big SELECT i, md5(i::text) || md5((-i)::text) FROM generate_series(1, 20000) i",
)
EVERY_ID = list(range(1, 20001))
BLOCK, COMMIT, MANIFEST = r"comp=block&", r"comp=blocklist", r"_manifest\.json"


@pytest.fixture
def big(database, monkeypatch):
    """A table that is read in several ranges, each a file of several blocks."""
    monkeypatch.setattr(page_ranges, "SMALLEST_RANGE_PAGES", 100)
    monkeypatch.setattr(block_upload, "BLOCK_BYTES", 100_000)
    monkeypatch.setattr(range_reader, "BLOCK_BYTES", 50_000)
    run_sql(database, *BIG)
    return configure(database, "big")


def check_batch(lake: AzureLake, table) -> None:
    """All rows are there; one manifest; exactly the files that it names, unchanged."""
    (manifest,) = lake.store.sealed_batches(table)
    lake.store.verify_batch(manifest)
    folder = "test/public.big/20260101T000000000Z-00000001"
    assert lake.files() == sorted(f"{folder}/{name}" for name in ["_manifest.json", *(f.name for f in manifest.files)])
    assert len(manifest.files) > 1
    assert sorted(lake.read(table)["id"].to_pylist()) == EVERY_ID


@pytest.mark.parametrize(
    "faults",
    [
        [Fault("reset", "PUT", BLOCK, skip=2, times=3), Fault("reset", "PUT", COMMIT), Fault("reset", "DELETE")],
        [Fault("lost answer", "PUT", path, times=2) for path in (BLOCK, COMMIT, MANIFEST, r"\.sealing")],
        [Fault("busy", "PUT", COMMIT, times=3), Fault("broken", "PUT", MANIFEST, times=2), Fault("busy", "HEAD")],
        [Fault("slow", "PUT", BLOCK, skip=1, seconds=2.5), Fault("cut", "GET", "comp=list")],
        [Fault("damaged", "PUT", BLOCK, times=2), Fault("damaged", "PUT", MANIFEST), Fault("lost answer", "DELETE")],
    ],
    ids=lambda faults: f"{faults[0].kind} {faults[0].method}",
)
def test_transient_faults_do_not_fail_the_ingest(database, faulty_lake, fault_proxy, big, faults):
    fault_proxy.faults = faults
    faulty_lake.ingest(database, big)
    assert [fault.hits for fault in faults if fault.path] == [fault.times for fault in faults if fault.path]
    fault_proxy.faults = []
    check_batch(faulty_lake, big)


def test_retry_after_is_honoured(database, faulty_lake, fault_proxy, big):
    fault_proxy.faults = [Fault("throttled", "PUT", MANIFEST, seconds=1)]
    before = time.monotonic()
    faulty_lake.ingest(database, big)
    assert time.monotonic() - before > 1
    check_batch(faulty_lake, big)


def test_a_file_is_read_completely_despite_faults(database, faulty_lake, fault_proxy, big):
    faulty_lake.ingest(database, big)
    kinds = {"cut": 2, "wrong length": 2, "reset": 2, "busy": 2, "slow": 1}
    fault_proxy.faults = [Fault(kind, "GET", r"part-", times=times, seconds=2.5) for kind, times in kinds.items()]
    faulty_lake.store.verify_batch(faulty_lake.manifest(big))
    assert {fault.kind: fault.hits for fault in fault_proxy.faults} == kinds


def test_bytes_that_are_missing_again_when_the_client_completes_a_response_are_noticed(
    database, faulty_lake, fault_proxy, big
):
    faulty_lake.ingest(database, big)
    manifest = faulty_lake.manifest(big)
    fault_proxy.faults = [Fault("wrong length", "GET", name, times=3) for name in (r"part-", r"_manifest\.json")]
    assert faulty_lake.manifest(big) == manifest
    file, path = manifest.files[0], manifest.all_paths(faulty_lake.store.paths)[0]
    assert len(faulty_lake.lake.open_input(path).read()) == file.bytes
    assert [fault.hits for fault in fault_proxy.faults] == [3, 3]


@pytest.mark.parametrize(
    "permanent",
    [
        (
            Fault("denied", "PUT", BLOCK, times=None),
            r"part-\d+-\w+\.parquet cannot be written: 403 AuthorizationPermissionMismatch \(request id 0[-0]+7\); "
            "hint: grant this identity the role Storage Blob Data Contributor on the lake, and allow this machine",
        ),
        (
            Fault("busy", "PUT", COMMIT, times=None),
            r"503 ServerBusy .*\(\d+ attempts in \d s\); hint: the account is thr",
        ),
        (
            Fault("throttled", "PUT", BLOCK, times=None, seconds=600),
            r"429 TooManyRequests .*7\); hint: the account is thr",
        ),
        (
            Fault("reset", "PUT", BLOCK, times=None),
            r"written: .*[Cc]onnection.*attempts in .*; hint: check MIDNIGHT_",
        ),
        (Fault("damaged", "PUT", BLOCK, times=None), r"400 Md5Mismatch .*attempts"),
        (Fault("denied", "PUT", MANIFEST, times=None), r"_manifest\.json cannot be written: 403 Auth"),
    ],
    ids=lambda permanent: f"{permanent[0].kind} {permanent[0].path}",
)
def test_permanent_faults_are_reported_and_nothing_is_visible(database, faulty_lake, fault_proxy, big, permanent):
    fault, message = permanent
    retries = faulty_lake.lake._retries
    retries.retry_policy = dataclasses.replace(retries.retry_policy, timeout=1)
    fault_proxy.faults = [fault]
    with pytest.raises(LakeError, match=message) as raised:
        faulty_lake.ingest(database, big)
    assert_no_secret(raised.value, faulty_lake.credential.secrets)
    assert faulty_lake.store.sealed_batches(big) == []
    begun = [name for name in faulty_lake.files() if name.endswith(".sealing")]
    assert bool(begun) == (fault.path == MANIFEST), "the next attempt completes the sealing"
    if not begun:
        assert faulty_lake.files() == []
    fault_proxy.faults = []
    (result,) = faulty_lake.ingest(database, big)
    assert result.kept == bool(begun), "files that were written are not read again from the source"
    check_batch(faulty_lake, big)


@pytest.mark.parametrize("lake", ["local", "azure"])
def test_one_of_several_concurrent_sealings_wins(database, lake, tmp_path, request):
    """The tables of a group never come from two snapshots, and the other attempts name the winner."""
    bronze = BronzeFolder(tmp_path / "lake") if lake == "local" else request.getfixturevalue("azure_lake")
    run_sql(database, "CREATE TABLE a (id int)", "CREATE TABLE b (id int)")
    tables = [configure(database, name) for name in "ab"]
    attempts = [read_without_sealing(database, bronze, tables, f"run {number}") for number in range(4)]
    barrier, outcomes = threading.Barrier(4), [""] * 4

    def seal(number: int) -> None:
        barrier.wait()
        try:
            bronze.store.seal_group("main", attempts[number])
        except BronzeError as error:
            outcomes[number] = str(error)

    threads = [threading.Thread(target=seal, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    winner = bronze.manifest(tables[0]).run_id
    assert [bronze.manifest(table).run_id for table in tables] == [winner, winner]
    assert [f"run {number}" for number in range(4) if not outcomes[number]] == [winner]
    assert all(f"by run '{winner}'" in text or "by run 'run " in text for text in outcomes if text)
    assert not [name for name in bronze.files() if name.endswith(".sealing")]


def read_without_sealing(database, bronze: BronzeFolder, tables, run_id: str):
    """The manifests of an attempt that stops right before sealing; its files exist."""
    seen = []
    group = dataclasses.replace(bronze.group(address_of(database), *tables), run_id=run_id)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BronzeStore, "seal_group", lambda store, group, manifests: seen.extend(manifests))
        patch.setattr(BronzeStore, "delete_batch", lambda *_: None)  # keeps the files of the other attempts
        asyncio.run(group.run())
    return seen


def test_two_concurrent_attempts_of_one_run_never_mix(database, azure_lake, big):
    zombie, seen = azure_lake.group(address_of(database), big), SimpleNamespace(begun=False)

    def second_attempt(line):
        if not seen.begun:
            seen.begun = True
            thread = threading.Thread(target=lambda: azure_lake.ingest(database, big))
            thread.start()
            thread.join()

    with pytest.raises((BronzeError, LakeError), match=r"is missing|was already sealed|part-.* cannot be read: 404"):
        asyncio.run(dataclasses.replace(zombie, log=second_attempt).run())
    assert sorted(azure_lake.read(big)["id"].to_pylist()) == EVERY_ID


@pytest.fixture
def small_blocks(monkeypatch):
    for module in (block_upload, range_reader):
        monkeypatch.setattr(module, "BLOCK_BYTES", 250_000)


@pytest.fixture
def peak() -> Iterator[Callable[[], int]]:
    """Peak memory in bytes since the test began."""
    tracemalloc.start()
    yield lambda: tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()


def test_memory_of_writing_does_not_depend_on_the_file_size(azure_lake, small_blocks, peak):
    """Two files of 10 MB at once in blocks of 250 kB: four being uploaded, one being filled per file, and a copy."""
    piece, paths = bytes(100_000), [f"{azure_lake.paths.bronze}/part-{number}" for number in range(2)]
    outputs = [azure_lake.lake.open_output(path) for path in paths]
    for _ in range(100):
        for output in outputs:
            output.write(piece)
    for output in outputs:
        output.close()
    assert [azure_lake.lake.size(path) for path in paths] == [10_000_000] * 2
    assert peak() < 3_000_000


def test_memory_of_reading_does_not_depend_on_the_file_size(small_blocks, peak):
    """Without the Azure client, which allocates (but does not use) a list of eight times the size of a response."""
    with RangeReader(lambda start, length: bytes(length), 30_000_000, Transfers()) as file:
        while file.read(500_000):
            pass
    assert peak() < 3_500_000


def test_an_ingest_needs_few_requests(database, faulty_lake, fault_proxy):
    """The number of round trips of a load group, and per table with few rows."""
    names = ["one", "two", "three", "four"]
    run_sql(database, *(f"CREATE TABLE {name} AS SELECT 1 AS id" for name in names))
    tables = [configure(database, name) for name in names]
    faulty_lake.ingest(database, *tables[:1], batch_id="b1")
    alone = len(fault_proxy.requests)
    faulty_lake.ingest(database, *tables[1:], batch_id="b2")
    assert alone <= 24, fault_proxy.requests
    assert len(fault_proxy.requests) - 2 * alone <= 2 * 14, fault_proxy.requests
