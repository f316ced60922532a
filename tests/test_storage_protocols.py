"""Each kind of store tells other things of a file, wants other packages and other credentials; one test walks them all."""

import hashlib
import sys
from datetime import UTC, datetime

import fsspec
import huggingface_hub.constants
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from fsspec.registry import _registry as loaded

from tbd import storage
from tbd.errors import InputError, MissingError

THEN = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def _digest(content):
    return hashlib.md5(content).hexdigest()


TELLS = {
    "s3": lambda content: {"ETag": f'"{_digest(content)}"', "LastModified": THEN},
    "gs": lambda content: {"md5Hash": _digest(content), "updated": "2026-03-01T12:00:00.000Z", "generation": "17"},
    "hf": lambda content: {"blob_id": _digest(content), "last_commit": None},
    "abfs": lambda content: {"etag": f"0x{_digest(content)}", "last_modified": THEN},
    "sftp": lambda content: {"mtime": datetime.fromtimestamp(THEN.timestamp() + int(_digest(content)[:4], 16), UTC)},
}
"""What the package of a protocol says of a file besides name, size and type."""
KNOWS_TIMES = {"s3", "gs", "abfs"}


@pytest.fixture(params=TELLS)
def store(request, tmp_path, monkeypatch):
    """Memory that answers under a protocol, as that protocol's package would: names without a slash before them."""
    scheme, tells = request.param, TELLS[request.param]

    class StandIn(MemoryFileSystem):
        protocol, store, pseudo_dirs, cachable = scheme, {}, [""], False

        @classmethod
        def _strip_protocol(cls, path):
            return super()._strip_protocol(path.removeprefix(f"{scheme}://"))

        def find(self, path, **_):
            under = {name: file.getvalue() for name, file in self.store.items() if name.startswith(f"{path}/")}
            return {
                name.lstrip("/"): {"name": name, "size": len(content), "type": "file"} | tells(content)
                for name, content in under.items()
            }

    monkeypatch.setitem(loaded, scheme, StandIn)
    monkeypatch.setenv("TBD_CACHE", str(tmp_path / "cache"))
    return StandIn()


def test_every_protocol_is_read_again_only_where_it_changed_and_written_the_record_last(store, tmp_path, monkeypatch):
    url, fetched, fetch = f"{store.protocol}://bucket/data", [], type(store).get_file

    def get_file(self, there, here, **more):
        fetched.append(there.rpartition("/")[2])
        fetch(self, there, here, **more)

    monkeypatch.setattr(type(store), "get_file", get_file)
    for name in ("a.mp4", "people/b.mp4"):
        store.pipe_file(f"/bucket/data/{name}", name.encode())
    folder = storage.copied(url)
    assert folder == tmp_path / "cache/remote" / store.protocol / "bucket/data"
    assert [(folder / name).read_text() for name in ("a.mp4", "people/b.mp4")] == ["a.mp4", "people/b.mp4"]
    assert store.protocol not in KNOWS_TIMES or (folder / "a.mp4").stat().st_mtime == THEN.timestamp()
    store.pipe_file("/bucket/data/a.mp4", b"4pm.a")  # as long as before
    assert storage.copied(url) == folder and sorted(fetched) == ["a.mp4", "a.mp4", "b.mp4"]
    assert (folder / "a.mp4").read_bytes() == b"4pm.a"

    with storage.sent(f"{url}/out") as made:
        for name in ("run.json", "videos/a.mp4", "journal.sqlite"):
            (made / name).parent.mkdir(parents=True, exist_ok=True)
            (made / name).write_text(name)
    sent = [name for name in store.store if "/out/" in name]
    assert sent == ["/bucket/data/out/videos/a.mp4", "/bucket/data/out/run.json"]
    monkeypatch.setenv("TBD_CACHE", str(tmp_path / "another machine"))
    with pytest.raises(InputError, match=f"{url}/out holds what another machine made"), storage.sent(f"{url}/out"):
        pytest.fail("nothing is begun")


def test_every_protocol_says_how_its_credentials_are_given(store, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError("denied")

    monkeypatch.setattr(type(store), "find", refuse)
    with pytest.raises(MissingError, match="denied") as lost:
        storage.copied(f"{store.protocol}://bucket/data")
    ways = {"s3": "export AWS_ACCESS_KEY_ID", "gs": "gcloud auth", "hf": "hf auth login"}
    assert lost.value.next.startswith(ways.get(store.protocol, "see to the access"))


@pytest.mark.parametrize(
    ("scheme", "module", "package"),
    [
        ("s3", "s3fs", "think-before-draw[storage]"),
        ("gs", "gcsfs", "think-before-draw[storage]"),
        ("gcs", "gcsfs", "think-before-draw[storage]"),
        ("abfs", "adlfs", "fsspec[abfs]"),
        ("sftp", "paramiko", "fsspec[sftp]"),
        ("az", "adlfs", "adlfs"),
        ("lakefs", "lakefs_spec", "lakefs-spec"),
    ],
)
def test_a_protocol_whose_package_is_lacking_names_what_to_install(scheme, module, package, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.delitem(loaded, scheme, raising=False)
    for name in [name for name in sys.modules if name.startswith("fsspec.implementations.sftp")]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(MissingError, match=f"^{scheme}://bucket/data: ") as lacking:
        storage.copied(f"{scheme}://bucket/data")
    assert lacking.value.next == f"pip install '{package}'"


def test_the_hub_is_an_address_without_more_packages(monkeypatch, tmp_path):
    """The real file system of ``hf://``, told that there is no network."""
    monkeypatch.setenv("TBD_CACHE", str(tmp_path))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    assert fsspec.get_filesystem_class("hf") is huggingface_hub.HfFileSystem
    with pytest.raises(MissingError, match="OfflineModeIsEnabled"):
        storage.copied("hf://datasets/me/mead")
    with pytest.raises(InputError) as malformed:
        storage.copied("hf://mead")
    assert malformed.value.next == "an address such as hf://datasets/USER/NAME"
