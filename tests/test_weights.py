import hashlib
import json
import re
from pathlib import Path

import huggingface_hub
import huggingface_hub.constants
import pytest

from tbd import catalogue, weights
from tbd.errors import InputError, MissingError, UsageError

SD = "stable-diffusion-v1-5/stable-diffusion-v1-5"


@pytest.fixture(autouse=True)
def empty_machine(tmp_path, monkeypatch):
    """No weights anywhere: an empty home, cache and current directory."""
    here, hub = tmp_path / "here", tmp_path / "hub"
    here.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TBD_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("TBD_WEIGHTS", raising=False)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(hub))
    yield
    weights.use_folder(None)


def _put(folder: Path, *names: str, content: bytes = b"x") -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def _cache(hub: str, *names: str) -> Path:
    """A repository as the Hugging Face cache keeps it."""
    repository = Path(huggingface_hub.constants.HF_HUB_CACHE) / f"models--{hub.replace('/', '--')}"
    _put(repository, "refs/main", content=b"c0ffee")
    return _put(repository / "snapshots/c0ffee", *names)


def test_the_catalogue_is_sound():
    keys = [entry.key for entry in weights.CATALOGUE]
    assert len(keys) == len(set(keys))
    for entry in weights.CATALOGUE:
        assert entry.files and entry.purpose and entry.licence
        assert entry.hub or entry.origin, f"{entry.key}: nobody could get it"
        for file in entry.files:
            assert file.sha256 is None or re.fullmatch("[0-9a-f]{64}", file.sha256)


def test_restrictive_and_missing_licences_are_marked():
    marks = {entry.key: entry.commercial for entry in weights.CATALOGUE}
    assert marks["buffalo_l"] == "no"
    assert marks["syncnet"] == marks["s3fd"] == marks["i3d-stylegan-v"] == "unstated"


@pytest.mark.parametrize("key", ["mtcnn", "lpips"])
def test_weights_that_pip_packages_carry_are_found_and_are_the_published_ones(key):
    assert {check.state for check in weights.verify(weights.lookup(key))} == {"published"}
    assert all(weights.published(path) for path in weights.resolve(key).glob("*.pt*"))


def test_the_places_are_searched_in_the_documented_order(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path / "here")
    home = _put(Path.home() / ".cache/torch/hub/checkpoints", "vgg16-397923af.pth")
    assert weights.resolve("vgg16") == home / "vgg16-397923af.pth"
    hub = _cache("stabilityai/sd-vae-ft-mse", "config.json", "diffusion_pytorch_model.safetensors")
    tree = _put(Path.cwd() / "pretrained_models/sd-vae-ft-mse", "config.json", "diffusion_pytorch_model.safetensors")
    assert weights.resolve("sd-vae-ft-mse") == hub != tree
    lab = _put(tmp_path / "lab/sd-vae-ft-mse", "config.json", "diffusion_pytorch_model.safetensors")
    monkeypatch.setenv("TBD_WEIGHTS", str(lab.parent))
    assert weights.resolve("stabilityai/sd-vae-ft-mse") == lab
    mine = _put(tmp_path / "mine/sd-vae-ft-mse", "config.json", "diffusion_pytorch_model.safetensors")
    weights.use_folder(mine.parent)
    assert weights.resolve("sd-vae-ft-mse") == mine


def test_the_old_name_of_a_repository_still_counts():
    old = _cache("runwayml/stable-diffusion-v1-5", "unet/config.json", "unet/diffusion_pytorch_model.safetensors")
    assert weights.resolve("sd-1.5") == weights.resolve(SD) == weights.resolve("runwayml/stable-diffusion-v1-5") == old


def test_another_projects_tree_serves_too():
    tree = Path.cwd() / "pretrained_models"
    _put(tree, "stable-diffusion-v1-5/unet/config.json", "motion_module/mm_sd_v15_v2.ckpt", "hallo/net.pth")
    _put(tree, "stable-diffusion-v1-5/unet/diffusion_pytorch_model.safetensors")
    assert weights.resolve("sd-1.5") == tree / "stable-diffusion-v1-5"
    assert weights.resolve("animatediff-v2-original") == tree / "motion_module/mm_sd_v15_v2.ckpt"
    assert weights.resolve("hallo") == tree / "hallo/net.pth"


def test_one_file_may_lie_flat_in_the_folder_but_a_bare_config_names_nobody(tmp_path, monkeypatch):
    flat = _put(tmp_path / "flat", "syncnet_v2.model", "config.json", "model.safetensors", "preprocessor_config.json")
    monkeypatch.setenv("TBD_WEIGHTS", str(flat))
    assert weights.resolve("syncnet") == flat / "syncnet_v2.model"
    assert weights.find(weights.lookup("wav2vec2")) is None
    assert weights.find(weights.lookup("qwen2-vl-7b")) is None


def test_a_path_is_taken_as_it_is_and_a_wrong_one_is_not_taken_for_a_repository(tmp_path):
    folder = _put(tmp_path / "models/qwen", "config.json")
    assert weights.resolve(str(folder)) == weights.resolve(folder) == folder
    for wrong in ("./nowhere", "/nowhere", "a/b/c", Path("a/b")):
        with pytest.raises(MissingError, match="no such file or folder"):
            weights.resolve(wrong)


def test_a_model_in_shards_is_complete_only_with_all_of_them():
    folder = _cache("Qwen/Qwen2-VL-7B-Instruct", "config.json", "model-1.safetensors")
    index = {"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(MissingError, match=r"but not model-2\.safetensors"):
        weights.resolve("qwen2-vl-7b")
    _put(folder, "model-2.safetensors")
    assert weights.resolve("Qwen/Qwen2-VL-7B-Instruct") == folder


def test_a_configuration_without_weights_is_not_a_model():
    _cache("Qwen/Qwen2-VL-7B-Instruct", "config.json")
    with pytest.raises(MissingError, match="safetensors"):
        weights.resolve("qwen2-vl-7b")


@pytest.mark.parametrize("name", ["qwen2-vl-7b", "Qwen/Qwen2-VL-7B-Instruct"])
def test_a_missing_language_model_says_what_where_how_and_what_needs_none(name):
    with pytest.raises(MissingError) as caught:
        weights.resolve(name)
    for words in (
        "Qwen/Qwen2-VL-7B-Instruct",
        "$TBD_WEIGHTS",
        "Hugging Face cache",
        "--backend facs",
        "--endpoint URL",
    ):
        assert words in caught.value.message
    assert caught.value.next == "tbd weights pull qwen2-vl-7b"
    assert caught.value.exit_code == 4


def test_any_repository_of_the_hub_can_be_a_language_model():
    with pytest.raises(MissingError, match="--backend facs") as caught:
        weights.resolve("someone/fine-tuned-vl")
    assert caught.value.next == "tbd weights pull someone/fine-tuned-vl"


def test_what_is_not_here_is_offered_for_download():
    with pytest.raises(MissingError) as caught:
        weights.resolve("inception-fid")
    assert caught.value.next == "tbd weights pull inception-fid"


def test_a_misspelt_key_suggests_the_nearest():
    with pytest.raises(UsageError, match="did you mean 'syncnet'"):
        weights.resolve("sincnet")


def test_a_weights_folder_that_is_not_there_is_an_error_and_not_a_silent_fallback(tmp_path):
    with pytest.raises(InputError, match="nowhere"):
        weights.use_folder(tmp_path / "nowhere")


def test_a_file_with_another_hash_loads_and_is_called_unpublished(tmp_path, monkeypatch):
    monkeypatch.setenv("TBD_WEIGHTS", str(_put(tmp_path / "w", "syncnet_v2.model")))
    path = weights.resolve("syncnet")
    assert not weights.published(path)
    (check,) = weights.verify(weights.lookup("syncnet"))
    assert (check.state, check.bytes, check.sha256) == ("different", 1, hashlib.sha256(b"x").hexdigest())
    assert not weights.published(tmp_path)


class Hub:
    """Stands in for ``snapshot_download``: delivers ``files``, or raises."""

    def __init__(self, monkeypatch, tmp_path, files=(), error=None):
        self.asked, self.files, self.error, self.folder = [], files, error, tmp_path / "downloaded"
        monkeypatch.setattr(huggingface_hub, "snapshot_download", self)

    def __call__(self, hub, *, allow_patterns, local_dir):
        self.asked.append((hub, allow_patterns))
        if self.error:
            raise self.error
        return str(_put(local_dir or self.folder, *self.files))


def test_pulling_asks_for_the_named_files_only(monkeypatch, tmp_path):
    hub = Hub(monkeypatch, tmp_path, ["auxiliary/syncnet_v2.model"])
    monkeypatch.setattr(weights, "_accept_bytes", lambda *_: None)
    assert weights.pull("syncnet") == tmp_path / "downloaded/auxiliary/syncnet_v2.model"
    assert hub.asked == [("ByteDance/LatentSync-1.6", ["auxiliary/syncnet_v2.model"])]


def test_what_was_pulled_into_a_folder_is_found_there_again(monkeypatch, tmp_path):
    Hub(monkeypatch, tmp_path, ["config.json", "model.safetensors"])
    place = weights.pull("qwen2-vl-2b", tmp_path / "lab")
    weights.use_folder(tmp_path / "lab")
    assert weights.resolve("Qwen/Qwen2-VL-2B-Instruct") == place == tmp_path / "lab/qwen2-vl-2b"


def test_a_download_that_lacks_a_file_is_not_called_done(monkeypatch, tmp_path):
    Hub(monkeypatch, tmp_path, ["config.json"])
    with pytest.raises(MissingError, match=r"has no diffusion_pytorch_model\.safetensors"):
        weights.pull("sd-vae-ft-mse")


@pytest.mark.parametrize(
    "error", [ConnectionError("Name or service not known"), OSError(28, "No space left on device")]
)
def test_a_download_that_fails_says_why_and_how_to_do_it_by_hand(monkeypatch, tmp_path, error):
    Hub(monkeypatch, tmp_path, error=error)
    with pytest.raises(MissingError, match=re.escape(str(error))) as caught:
        weights.pull("qwen2-vl-7b")
    assert "download the files on another machine" in caught.value.message
    assert "tbd weights add" in caught.value.next


def test_without_a_network_pulling_is_a_clear_error(monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(MissingError, match="cannot be downloaded"):
        weights.pull("animatediff-v2")
    with pytest.raises(MissingError, match="HF_HUB_OFFLINE"):
        weights.pull("syncnet")


def test_a_bug_in_the_download_is_not_disguised_as_a_network_failure(monkeypatch, tmp_path):
    Hub(monkeypatch, tmp_path, error=ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        weights.pull("syncnet")


def test_looking_for_weights_never_downloads(monkeypatch, tmp_path):
    hub = Hub(monkeypatch, tmp_path)
    for entry in catalogue.CATALOGUE:
        weights.find(entry)
    assert hub.asked == []
