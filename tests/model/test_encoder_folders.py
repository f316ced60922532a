"""An autoencoder of one's own is found from wherever a checkpoint is read, and its absence is told as what it is."""

import shutil

import pytest

from tbd.errors import InputError
from tbd.model.checkpoint_meta import CheckpointMeta
from tbd.model.checkpoints import Checkpoint
from tbd.model.encoder_files import encoder_identities
from tbd.model.encoder_folders import encoder_folders
from tbd.model.frozen_encoders import random_encoders
from tbd.model.recipe import ModelRecipe, Network, PartWeights

NETWORK = Network(size="tiny")
NAMED = PartWeights(start="random", vae="checkpoints/autoencoder")


def autoencoder(folder, seed):
    random_encoders(NETWORK, seed).image.model.save_pretrained(folder)


@pytest.fixture
def checkpoint(tmp_path, monkeypatch):
    """As the trainer in ``there`` records it: the autoencoder by a relative path. Read from another folder."""
    there, elsewhere = tmp_path / "there", tmp_path / "elsewhere"
    elsewhere.mkdir()
    autoencoder(there / "checkpoints" / "autoencoder", 5)
    monkeypatch.chdir(there)
    path = there / "checkpoints" / "stage2" / "step-4"
    path.mkdir(parents=True)
    meta = CheckpointMeta(
        stage=2, step=4, recipe={"model": ModelRecipe(network=NETWORK).model_dump(), "weights": NAMED.model_dump(), "seed": 0},
        encoders=encoder_identities(NETWORK, NAMED, 0), folders=encoder_folders(NAMED, path),
    )  # fmt: skip
    monkeypatch.chdir(elsewhere)
    return Checkpoint(path, meta)


def test_it_is_found_from_another_folder(checkpoint):
    assert checkpoint.meta.folders == {"vae": "../../autoencoder"}
    assert checkpoint.encoders().identities == checkpoint.meta.encoders


def test_it_is_found_when_all_were_moved(checkpoint, tmp_path):
    shutil.move(tmp_path / "there", tmp_path / "moved")
    moved = Checkpoint(tmp_path / "moved" / "checkpoints" / "stage2" / "step-4", checkpoint.meta)
    assert moved.encoders().identities == checkpoint.meta.encoders


def test_another_one_of_the_same_name_is_not_taken(checkpoint, tmp_path):
    autoencoder(tmp_path / "elsewhere" / "checkpoints" / "autoencoder", 6)
    assert checkpoint.encoders().identities == checkpoint.meta.encoders
    shutil.rmtree(tmp_path / "there" / "checkpoints" / "autoencoder")
    with pytest.raises(InputError, match="another image encoder") as caught:
        checkpoint.encoders()
    assert checkpoint.meta.encoders["image"] in caught.value.next


def test_its_absence_is_told_as_what_it_is(checkpoint, tmp_path):
    shutil.rmtree(tmp_path / "there" / "checkpoints" / "autoencoder")
    with pytest.raises(InputError, match="the vae in checkpoints/autoencoder, which is neither there nor in") as caught:
        checkpoint.encoders()
    assert f"cp -r DIR {tmp_path / 'there' / 'checkpoints' / 'autoencoder'}" in caught.value.next


def test_keys_of_the_catalogue_and_random_parts_have_no_folder(tmp_path):
    assert encoder_folders(PartWeights(), tmp_path) == encoder_folders(PartWeights(start="random"), tmp_path) == {}
