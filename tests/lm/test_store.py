"""The store on real files: shared by threads and processes, bounded, and never a reason for a program to fail."""

from __future__ import annotations

import os
import pickle
import sqlite3
import stat
import subprocess
import sys
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from hashlib import blake2b
from pathlib import Path

import pytest

from whet.errors import ConfigurationError
from whet.lm.store import CacheStore, default_directory


def key(number: int) -> bytes:
    return blake2b(str(number).encode(), digest_size=16).digest()


def test_what_is_put_is_found_again_by_another_store(tmp_path: Path) -> None:
    with_file = CacheStore(tmp_path / "c")
    with_file.put(key(1), "eins é \U0001f600")
    other = CacheStore(tmp_path / "c")
    assert other.get(key(1)) == "eins é \U0001f600"
    assert other.get(key(2)) is None
    assert key(1) in other
    with_file.put(key(1), "zwei")
    other.clear_memory()
    assert other.get(key(1)) == "zwei"
    with_file.close()
    other.close()


def test_making_a_store_touches_no_file(tmp_path: Path) -> None:
    CacheStore(tmp_path / "c")
    assert not (tmp_path / "c").exists()


def test_only_the_owner_can_read_it(tmp_path: Path) -> None:
    store = CacheStore(tmp_path / "a" / "c")
    store.put(key(1), "x")
    assert stat.S_IMODE((tmp_path / "a" / "c").stat().st_mode) == 0o700
    assert {stat.S_IMODE(p.stat().st_mode) for p in (tmp_path / "a" / "c").iterdir()} == {0o600}
    store.close()


def test_the_default_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("WHET_CACHE_DIR", str(tmp_path / "mine"))
    assert default_directory() == tmp_path / "mine"
    monkeypatch.delenv("WHET_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_directory() == tmp_path / "whet"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert default_directory() == Path.home() / ".cache" / "whet"


def test_memory_lets_the_oldest_go_by_number_and_by_bytes() -> None:
    store = CacheStore(None, memory_entries=2)
    for number in (1, 2):
        store.put(key(number), "x")
    store.get(key(1))
    store.put(key(3), "x")
    assert [number for number in (1, 2, 3) if key(number) in store] == [1, 3]
    small = CacheStore(None, memory_bytes=5_000)
    for number in range(100):
        small.put(key(number), "x" * 500)
    assert small.memory.size <= 5_000
    assert 0 < len(small.memory.entries) < 10
    small.clear()
    assert small.memory.size == 0


def test_limits_that_cannot_work_are_refused() -> None:
    for limits in ({"memory_entries": -1}, {"disk_bytes": 0}):
        with pytest.raises(ConfigurationError):
            CacheStore(None, **limits)  # type: ignore[arg-type]
    assert not CacheStore(None, memory_entries=0).enabled


def test_ten_thousand_entries_stay_under_fifteen_megabytes() -> None:
    script = """
import sys
from hashlib import blake2b
from whet.lm.store import CacheStore
def rss():
    return int(open("/proc/self/statm").read().split()[1]) * 4096
store = CacheStore(None)
store.put(b"0" * 16, "x")
before = rss()
for i in range(10_000):
    store.put(blake2b(b"%d" % i, digest_size=16).digest(), f"{i:04}" + "x" * 800)
print((rss() - before) / 1e6)
"""
    if not Path("/proc/self/statm").exists():
        pytest.skip("no /proc on this system")
    grown = float(subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout)
    assert grown < 15


def test_the_file_stays_within_its_limit_and_keeps_what_is_used(tmp_path: Path) -> None:
    store = CacheStore(tmp_path / "c", memory_entries=0, disk_bytes=400_000)
    for number in range(2_000):
        store.put(key(number), f"{number} " + "x" * 500)
        assert number < 100 or store.get(key(50)) is not None  # this one stays in use
    assert store.disk is not None
    count = store.disk.count()
    assert 200 < count < 1_000
    assert store.get(key(1_999)) is not None
    assert store.get(key(0)) is None
    store.close()
    assert (tmp_path / "c" / "responses.sqlite3").stat().st_size < 800_000


def test_large_rows_do_not_pass_the_limit_between_two_looks(tmp_path: Path) -> None:
    store = CacheStore(tmp_path / "c", memory_entries=0, disk_bytes=2_000_000)
    for size in (100_000, 1_000, 200_000):
        for number in range(100):
            store.put(key(number), "x" * size)
            assert sum(path.stat().st_size for path in (tmp_path / "c").iterdir()) < 2_600_000  # the journal included
    assert store.get(key(99)) == "x" * 200_000


def test_a_row_that_would_push_out_many_is_not_kept(tmp_path: Path) -> None:
    store = CacheStore(tmp_path / "c", memory_entries=0, disk_bytes=1_000_000)
    store.put(key(1), "small")
    store.put(key(2), "x" * 900_000)
    assert store.get(key(1)) == "small"
    assert store.get(key(2)) is None


def test_a_damaged_row_is_a_miss_and_is_removed(tmp_path: Path) -> None:
    store = CacheStore(tmp_path / "c", memory_entries=0)
    for number in range(3):
        store.put(key(number), f"text {number}")
    store.close()
    with sqlite3.connect(tmp_path / "c" / "responses.sqlite3") as file:
        file.execute("UPDATE answers SET text = 'another text' WHERE key = ?", (key(1),))
        file.execute("UPDATE answers SET text = ? WHERE key = ?", (b"\xff\xfe", key(2)))
    file.close()
    assert [store.get(key(number)) for number in range(3)] == ["text 0", None, None]
    assert store.disk is not None
    assert store.disk.count() == 1
    store.close()


@pytest.mark.parametrize(
    "content", [b"no database at all" * 100, pickle.dumps({"a": print}), os.urandom(8192), b"SQLite format 3\0" + b"\0" * 4096]
)
def test_a_file_of_another_kind_is_put_aside(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "responses.sqlite3").write_bytes(content)
    store = CacheStore(tmp_path)
    with pytest.warns(RuntimeWarning, match="put aside"):
        assert store.get(key(1)) is None
    store.put(key(1), "x")
    store.clear_memory()
    assert store.get(key(1)) == "x"
    (aside,) = tmp_path.glob("*.damaged-*")
    assert aside.read_bytes() == content
    store.close()


def test_a_file_that_breaks_while_in_use_is_put_aside(tmp_path: Path) -> None:
    store = CacheStore(tmp_path, memory_entries=0)
    for number in range(500):
        store.put(key(number), "x" * 1000)
    store.close()
    path = tmp_path / "responses.sqlite3"
    path.write_bytes(path.read_bytes()[:4096] + os.urandom(path.stat().st_size - 4096))
    with warnings.catch_warnings(record=True):
        warnings.simplefilter("always")
        found = [store.get(key(number)) for number in range(500)]
        store.put(key(1), "fresh")
        store.put(key(1), "fresh")
        assert store.get(key(1)) == "fresh"
    assert set(found) <= {None, "x" * 1000}
    store.close()


def test_a_directory_that_cannot_be_made_leaves_memory_and_one_warning(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    store = CacheStore(tmp_path / "file" / "c")
    with pytest.warns(RuntimeWarning, match="kept in memory only") as caught:
        store.put(key(1), "x")
        store.put(key(2), "y")
        assert store.get(key(3)) is None
    assert len(caught) == 1
    assert store.get(key(1)) == "x"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_directory_leaves_memory_and_one_warning(tmp_path: Path) -> None:
    (tmp_path / "c").mkdir(mode=0o500)
    store = CacheStore(tmp_path / "c")
    with pytest.warns(RuntimeWarning, match="kept in memory only"):
        store.put(key(1), "x")
    assert store.get(key(1)) == "x"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_leaves_memory_and_one_warning(tmp_path: Path) -> None:
    store = CacheStore(tmp_path)
    store.put(key(0), "x")
    assert store.disk is not None
    assert store.disk._connection is not None
    store.disk._connection.execute("PRAGMA max_page_count = 20")
    with pytest.warns(RuntimeWarning, match="full") as caught:
        for number in range(300):
            store.put(key(number), "x" * 1000)
    assert len(caught) == 1
    assert store.get(key(299)) == "x" * 1000


def test_many_threads_lose_nothing(tmp_path: Path) -> None:
    store = CacheStore(tmp_path, memory_entries=10)

    def work(part: int) -> None:
        for number in range(part * 200, part * 200 + 200):
            store.put(key(number), str(number))
            assert store.get(key(number)) == str(number)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    store.close()
    other = CacheStore(tmp_path)
    assert all(other.get(key(number)) == str(number) for number in range(1600))
    other.close()


def test_many_processes_share_one_directory(tmp_path: Path) -> None:
    script = """
import sys
from hashlib import blake2b
from whet.lm.store import CacheStore
part, where = int(sys.argv[1]), sys.argv[2]
store = CacheStore(where, memory_entries=0)
for i in range(part * 200, part * 200 + 200):
    store.put(blake2b(str(i).encode(), digest_size=16).digest(), str(i))
store.close()
"""
    command = [sys.executable, "-W", "error", "-c", script]
    running = [subprocess.Popen([*command, str(part), str(tmp_path / "c")], stderr=subprocess.PIPE, text=True) for part in range(4)]
    assert [(process.communicate()[1], process.returncode) for process in running] == [("", 0)] * 4
    store = CacheStore(tmp_path / "c")
    assert all(store.get(key(number)) == str(number) for number in range(800))
    store.close()


def test_what_was_put_survives_a_killed_process(tmp_path: Path) -> None:
    script = f"""
import os, signal
from whet.lm.store import CacheStore
store = CacheStore({str(tmp_path)!r})
store.put(b"k" * 16, "paid for")
os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == -9
    store = CacheStore(tmp_path)
    assert store.get(b"k" * 16) == "paid for"
    store.close()


def test_a_row_waits_while_another_process_holds_the_file(tmp_path: Path) -> None:
    store = CacheStore(tmp_path, memory_entries=0)
    store.put(key(0), "x")
    other = sqlite3.connect(tmp_path / "responses.sqlite3", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    store.put(key(1), "later")
    other.execute("COMMIT")
    other.close()
    store.put(key(2), "now")
    assert store.get(key(1)) == "later"
    store.close()


def test_a_row_that_waits_is_not_lost_when_the_file_is_closed_while_another_process_holds_it(tmp_path: Path) -> None:
    store = CacheStore(tmp_path, memory_entries=0)
    store.put(key(0), "x")
    other = sqlite3.connect(tmp_path / "responses.sqlite3", isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    store.put(key(1), "paid for")
    lets_go = threading.Timer(0.8, other.execute, ["COMMIT"])
    lets_go.start()
    store.close()
    lets_go.join()
    other.close()
    assert store.get(key(1)) == "paid for"
    store.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_works_though_a_thread_of_the_parent_held_the_locks(tmp_path: Path) -> None:
    store = CacheStore(tmp_path)
    store.put(key(1), "of the parent")
    assert store.disk is not None
    with store.memory.lock, store.disk._lock, store.flights_lock, warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
        if child == 0:
            ok = store.get(key(1)) == "of the parent"
            store.put(key(2), "of the child")
            os._exit(0 if ok else 1)
    deadline = time.monotonic() + 10
    while (ended := os.waitpid(child, os.WNOHANG))[0] == 0 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert ended == (child, 0)
    store.put(key(3), "of the parent again")
    store.clear_memory()
    assert [store.get(key(number)) for number in (1, 2, 3)] == ["of the parent", "of the child", "of the parent again"]
    store.close()


def test_clear_and_delete_reach_both_layers(tmp_path: Path) -> None:
    store = CacheStore(tmp_path)
    for number in range(3):
        store.put(key(number), "x")
    store.delete(key(0))
    store.clear_memory()
    assert [key(number) in store for number in range(3)] == [False, True, True]
    store.clear()
    assert not any(key(number) in store for number in range(3))
    store.close()


def test_closing_leaves_no_thread_and_the_next_use_opens_again(tmp_path: Path) -> None:
    store = CacheStore(tmp_path)
    store.put(key(1), "x")
    store.close()
    store.close()
    store.clear_memory()
    assert store.get(key(1)) == "x"
    assert threading.active_count() >= 1
    store.close()
