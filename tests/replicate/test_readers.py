"""The reader of drawn faces: what it learns, that it is the same each time, and what its file says."""

import json

import numpy as np
import pytest
import tiny_reader
import torch

from tbd.demo.acting import Acting
from tbd.demo.dataset import draw_clip
from tbd.errors import InputError
from tbd.evaluate.networks.drawn_reader import EYES, SIDE, UNITS, DrawnReader, aligned, drawn_reader, facts
from tbd.replicate import reader_data, readers
from tbd.replicate.reader_errors import nearest_is_own

pytestmark = pytest.mark.xdist_group("reader")


@pytest.fixture
def trained(drawn_reader_file):
    return drawn_reader_file


@pytest.fixture(autouse=True)
def here(trained, monkeypatch):
    monkeypatch.setenv("TBD_CACHE", str(trained.parents[2]))


def test_seconds_teach_it_something_about_people_it_never_saw(trained):
    held_out = facts(trained)["held_out"]
    assert held_out["opening_corr"] > 0.3 and held_out["knn"] > 0.5 and held_out["units_mae"] < 0.25
    assert -1 <= held_out["units_pooled"] <= 1
    assert (held_out["people"], held_out["pictures"], len(held_out["by_unit"])) == (4, 40, len(UNITS))
    assert json.loads(trained.with_suffix(".json").read_text())["held_out"] == held_out


def test_the_same_recipe_gives_the_same_reader_and_another_one_another():
    data = reader_data.draw_pictures(reader_data.LEARNT, 2, 6)
    recipe = readers.ReaderRecipe(people=2, steps=4, batch=4)
    one, same, other = (
        readers.fit(data, made).state_dict()
        for made in (recipe, recipe, readers.ReaderRecipe(people=2, steps=4, batch=4, seed=1))
    )
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not torch.equal(one["shown.weight"], other["shown.weight"])


def test_drawing_in_processes_changes_nothing():
    here, there = (reader_data.draw_pictures(5, 2, 3, workers=workers) for workers in (0, 2))
    for name in ("pictures", "units", "opening", "people", "eyes"):
        np.testing.assert_array_equal(getattr(here, name), getattr(there, name))


def test_what_is_drawn_is_labelled():
    data = reader_data.draw_pictures(5, 3, 12)
    assert data.pictures.shape == (36, SIDE, SIDE, 3) and data.pictures.dtype == np.uint8
    assert data.units.min() >= 0 and data.units.max() <= 1 and (data.units > 0.1).any(0).sum() > 10
    assert (np.bincount(data.people) == 12).all() and len(np.unique(data.pictures.reshape(36, -1), axis=0)) == 36


def test_it_is_trained_once_and_again_when_the_recipe_or_the_drawings_change(trained, monkeypatch):
    before = trained.stat().st_mtime_ns
    assert readers.ensure_reader(tiny_reader.RECIPE) == trained and trained.stat().st_mtime_ns == before
    asked = []
    monkeypatch.setattr(readers, "train_reader", lambda path, recipe, told: asked.append(recipe) or path)
    readers.ensure_reader(readers.ReaderRecipe(people=9))
    monkeypatch.setattr(readers, "DRAWINGS", -1)
    readers.ensure_reader(tiny_reader.RECIPE)
    assert [recipe.people for recipe in asked] == [9, tiny_reader.RECIPE.people]


def test_a_clip_is_read_frame_by_frame(tmp_path, monkeypatch):
    monkeypatch.setattr(readers, "ReaderRecipe", lambda: tiny_reader.RECIPE)
    clip = draw_clip(tmp_path / "a.mp4", seconds=0.4, size=96, acting=Acting({12: 0.8}))
    found = readers.read_clip(clip)
    assert found.units.shape == (10, len(UNITS)) and found.opening.shape == (10,) and found.embedding.shape == (64,)
    assert np.linalg.norm(found.embedding) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("content", [b"", b"nothing", bytes(range(200))], ids=["empty", "words", "bytes"])
def test_a_file_that_holds_no_reader_says_so(tmp_path, content):
    path = tmp_path / "drawn-reader.safetensors"
    path.write_bytes(content)
    with pytest.raises(InputError, match="not a reader of drawn faces"):
        drawn_reader(path)


def test_sizes_and_batches_change_little_or_nothing():
    torch.manual_seed(0)
    reader = DrawnReader().eval()
    frames = reader_data.draw_pictures(5, 2, 4).pictures
    together, alone = reader.read(frames), reader.read(frames[3:4])
    np.testing.assert_allclose(together.units[3:4], alone.units, atol=1e-5)
    large = reader.read(frames.repeat(2, 1).repeat(2, 2))
    np.testing.assert_allclose(large.embedding, together.embedding, atol=0.05)


def test_faces_are_aligned_by_their_eyes():
    """A bright dot at each pupil, somewhere, at some angle and size, comes to lie where every pupil lies."""
    eyes = torch.tensor([[[-0.4, -0.2], [0.2, -0.1]], [[-0.2, 0.0], [0.3, -0.2]], [[-0.3, -0.15], [0.3, -0.15]]])
    grid = torch.stack(torch.meshgrid(*2 * [(torch.arange(SIDE) + 0.5) / SIDE * 2 - 1], indexing="xy"), -1)
    dots = torch.stack([sum(torch.exp(-((grid - one) ** 2).sum(-1) / 0.003) for one in pair) for pair in eyes])
    seen = aligned(dots[:, None], eyes)[:, 0]
    for sign in (-1, 1):
        half = torch.where((grid[..., 0] * sign > 0), seen, 0)
        middle = (half[..., None] * grid).sum((1, 2)) / half.sum((1, 2))[:, None]
        np.testing.assert_allclose(middle, [[sign * EYES[0], EYES[1]]] * 3, atol=0.03)


def test_mirrored_pictures_keep_their_eyes():
    pictures = torch.zeros(64, 1, 8, 8)
    pictures[:, :, 2, 1], eyes = 1, torch.tensor([[-0.625, -0.375], [0.5, -0.3]]).repeat(64, 1, 1)
    torch.manual_seed(0)
    turned, found = readers.mirrored(pictures, eyes)
    right = turned[:, 0, 2, 6] == 1
    assert 10 < right.sum() < 54
    np.testing.assert_allclose(found[right][0], [[-0.5, -0.3], [0.625, -0.375]])
    np.testing.assert_allclose(found[~right][0], eyes[0])


def test_purity_counts_the_nearest_other_face():
    places = np.eye(4)[[0, 0, 1, 1, 2, 2]] + 0.01 * np.arange(6)[:, None]
    assert nearest_is_own(places, np.array([0, 0, 1, 1, 2, 2])) == 1
    assert nearest_is_own(places, np.array([0, 1, 0, 1, 0, 1])) == 0
