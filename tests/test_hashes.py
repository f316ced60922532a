import hashlib
import os
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tbd import hashes
from tbd.errors import InputError


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TBD_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def read(monkeypatch):
    """How often a file was read."""
    times = []
    digest = hashlib.file_digest
    monkeypatch.setattr(hashlib, "file_digest", lambda *args: (times.append(1), digest(*args))[1])
    return times


def _settle(monkeypatch):
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + 10)


def test_a_file_is_read_once_until_somebody_writes_to_it(tmp_path, cache, read, monkeypatch):
    path = tmp_path / "file"
    path.write_bytes(b"x")
    _settle(monkeypatch)
    assert hashes.sha256_file(path) == hashes.sha256_file(str(path)) == hashlib.sha256(b"x").hexdigest()
    assert len(read) == 1
    before = path.stat()
    path.write_bytes(b"y")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert hashes.sha256_file(path) == hashlib.sha256(b"y").hexdigest(), "a time that was set back fooled it"


def test_a_file_written_this_moment_is_not_remembered(tmp_path, cache, read):
    path = tmp_path / "file"
    path.write_bytes(b"x")
    hashes.sha256_file(path)
    hashes.sha256_file(path)
    assert len(read) == 2


@pytest.mark.parametrize("damage", [b"", b"no database", b"SQLite format 3\0" + b"\xff" * 500])
def test_a_damaged_memory_costs_only_time(tmp_path, cache, damage):
    cache.mkdir()
    (cache / hashes.MEMORY).write_bytes(damage)
    (tmp_path / "file").write_bytes(b"x")
    assert hashes.sha256_file(tmp_path / "file") == hashlib.sha256(b"x").hexdigest()


def test_a_cache_that_cannot_be_made_costs_only_time(tmp_path, monkeypatch):
    (tmp_path / "file").write_bytes(b"x")
    monkeypatch.setenv("TBD_CACHE", str(tmp_path / "file/below"))
    assert hashes.sha256_file(tmp_path / "file") == hashlib.sha256(b"x").hexdigest()


@pytest.mark.parametrize("look", [hashes.sha256_file, hashes.file_stamp])
def test_a_file_that_is_not_there_is_named(tmp_path, look):
    with pytest.raises(InputError, match="nothing"):
        look(tmp_path / "nothing")


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        hashes.sha256_file(tmp_path)


def test_a_stamp_survives_a_move_and_a_strict_one_does_not_survive_a_copy(tmp_path):
    one, other = tmp_path / "one", tmp_path / "other"
    one.write_bytes(b"x")
    before, strict = hashes.file_stamp(one), hashes.file_stamp(one, strict=True)
    time.sleep(0.01)
    other.write_bytes(b"x")
    os.utime(other, ns=(one.stat().st_atime_ns, one.stat().st_mtime_ns))
    assert hashes.file_stamp(other) == before
    assert hashes.file_stamp(other, strict=True) != strict


@given(st.integers(), st.lists(st.text(), max_size=3))
def test_a_fraction_is_in_range_and_its_own(seed, names):
    fraction = hashes.seeded_fraction(seed, *names)
    assert 0 <= fraction < 1
    assert fraction == hashes.seeded_fraction(seed, *names)


def test_fractions_are_spread_evenly_and_never_reach_one(monkeypatch):
    drawn = [hashes.seeded_fraction(0, f"clip {number}") for number in range(4000)]
    assert 0.48 < sum(drawn) / len(drawn) < 0.52
    assert sum(fraction < 0.01 for fraction in drawn) in range(20, 61)
    monkeypatch.setattr(hashes, "sha256_text", lambda _: "f" * 64)
    assert hashes.seeded_fraction(0, "highest") < 1


def test_names_that_are_no_text_draw_too():
    assert hashes.seeded_fraction(0, "\udcff") != hashes.seeded_fraction(0, "\udcfe")
