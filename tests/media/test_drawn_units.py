"""The file beside a drawn clip: what was drawn is what is read."""

import numpy as np
import pytest

from tbd.demo.acting import Acting
from tbd.demo.dataset import write_units
from tbd.errors import InputError
from tbd.media.drawn_units import letter, read_units, units_path

LOUD = np.linspace(0, 1, 10)


@pytest.fixture
def clip(tmp_path):
    path = tmp_path / "001.mp4"
    write_units(path, Acting({12: (0.2, 0.8), 4: 0.5}, seed=1), LOUD, 10.0)
    return path


def test_what_was_drawn_is_what_is_read(clip):
    truth = read_units(clip)
    assert len(truth) == 10 and set(truth.units) == {4, 12, 45}
    np.testing.assert_allclose(truth.energy, LOUD, atol=1e-4)
    np.testing.assert_allclose(truth.units[12][-1], (0.2, 0.8), rtol=0.06)
    np.testing.assert_allclose(truth.mean([12, 1, 4])[-1], (0.5, 0.0, 0.5), rtol=0.06)


def test_another_content_has_another_hash(clip):
    before = read_units(clip).sha256
    units_path(clip).write_text(units_path(clip).read_text().replace("0.5", "0.6"))
    assert read_units(clip).sha256 != before


@pytest.mark.parametrize(
    "content", [b"", b"frame,seconds,energy,opening\n", b"frame,seconds\n0,0\n", b"\xff\x00", b"frame,seconds,energy,opening\n0,0,nan,0\n",
                b"frame,seconds,energy,opening,au4_left\n0,0,0,0,0\n", b"frame,seconds,energy,opening\n0,0,0\n0,0,0,0\n"],
)  # fmt: skip
def test_a_file_that_is_none_says_so(clip, content):
    units_path(clip).write_bytes(content)
    with pytest.raises(InputError, match="not the units of a drawn clip"):
        read_units(clip)


def test_a_real_clip_has_none(tmp_path):
    with pytest.raises(InputError, match="not there"):
        read_units(tmp_path / "real.mp4")


def test_letters_are_fifths():
    assert "".join(letter(step / 5) for step in range(6)) == "ABCDE"
    assert [letter(value) for value in (0.09, 0.1, 0.29, 0.31, 1.4)] == ["", "A", "A", "B", "E"]
