"""Portraits as people have them: any size, any mode, or none at all."""

import numpy as np
import pytest
from PIL import Image

from tbd.demo.face import Portrait
from tbd.demo.identity import PEOPLE
from tbd.demo.landmarks import Expression
from tbd.errors import InputError
from tbd.generate.portrait import prepare_portrait
from tbd.media.canonical import ClipRule

RULE = ClipRule(size=64)


@pytest.fixture(scope="module")
def drawn():
    return Image.fromarray(Portrait(PEOPLE[0], 192).draw(Expression({})))


def difference(one, other):
    return np.abs(one.astype(int) - other.astype(int)).mean()


def test_every_kind_of_file_shows_the_same_person(drawn, tmp_path):
    plain = prepare_portrait(drawn, RULE).picture
    turned = Image.Exif()
    turned[0x0112] = 6
    grey = np.asarray(drawn.convert("L"), np.uint16) * 257
    kinds = {
        "cmyk.jpg": (drawn.convert("CMYK"), {}),
        "alpha.png": (drawn.convert("RGBA"), {}),
        "turned.jpg": (drawn.transpose(Image.Transpose.ROTATE_90), {"exif": turned}),
        "moving.gif": (drawn, {"save_all": True, "append_images": [drawn.rotate(180)]}),
        "deep.png": (Image.fromarray(grey), {}),
    }
    for name, (picture, how) in kinds.items():
        picture.save(tmp_path / name, **how)
        found = prepare_portrait(tmp_path / name, RULE)
        wanted = (
            np.repeat(np.asarray(Image.fromarray(plain).convert("L"))[..., None], 3, 2) if name == "deep.png" else plain
        )
        assert found.picture.shape == (64, 64, 3) and difference(found.picture, wanted) < 14, name


def test_a_small_face_in_a_large_picture_is_found_and_enlarged(drawn):
    wide = Image.new("RGB", (900, 500), "grey")
    wide.paste(drawn, (600, 200))
    found = prepare_portrait(wide, ClipRule(size=512))
    assert found.box[0] > 450 and found.picture.shape == (512, 512, 3) and "enlarged" in found.notes[0]


def test_of_several_faces_the_largest_is_taken_and_it_is_said(drawn):
    both = Image.new("RGB", (400, 192), "grey")
    both.paste(drawn.resize((130, 130)), (0, 40))
    both.paste(drawn, (200, 0))
    found = prepare_portrait(both, RULE)
    assert "2 faces" in found.notes[0] and found.box[0] >= 130


@pytest.mark.parametrize("picture", [np.full((200, 200, 3), 90, np.uint8), np.zeros((8, 300, 3), np.uint8)])
def test_no_face_is_an_error_in_words(picture):
    with pytest.raises(InputError, match=r"no face|at least 32") as caught:
        prepare_portrait(picture, RULE)
    assert caught.value.next


@pytest.mark.parametrize("thing", [np.zeros((9, 9)), 7, "nowhere.png"])
def test_no_picture_is_an_error_in_words(thing):
    with pytest.raises(InputError):
        prepare_portrait(thing, RULE)
