"""One call for one video: the numbers of ``tbd eval``, with protocols and reasons."""

import math

import media
import numpy as np
import pytest
import runs

from tbd.errors import InputError, UsageError
from tbd.evaluate import cpbd, evaluate, psnr, ssim
from tbd.evaluate.measures.frames import grey
from tbd.media import video


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TBD_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TBD_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def films(place):
    true = media.video(place / "true.mp4", runs.clip(0, 10, 96))
    return media.video(place / "pred.mp4", runs.worse(runs.clip(0, 10, 96))), true


def test_numbers_are_those_of_the_functions(films):
    pred, true = (np.stack([frame for _, frame in video.frames(path)]) for path in films)
    found = evaluate(*films)
    assert list(found) == ["psnr", "ssim", "cpbd"]
    assert float(found["psnr"]) == pytest.approx(psnr(pred, true).mean())
    assert float(found["ssim"]) == pytest.approx(ssim(pred, true).mean())
    assert float(found["cpbd"]) == pytest.approx(np.mean([cpbd(one) for one in grey(pred)]))
    assert (found["psnr"].protocol, found["psnr"].n, found["psnr"].direction) == ("psnr@rgb", 10, "higher")
    assert evaluate(str(films[0]), str(films[1])) == found


def test_without_a_reference_what_needs_one_says_so(films):
    found = evaluate(films[0], metrics=["psnr", "cpbd", "sync"])
    assert math.isnan(float(found["psnr"])) and "no ground truth" in found["psnr"].reason
    assert found["cpbd"].value is not None
    assert "tbd weights pull syncnet" in found["sync_conf"].reason


def test_what_was_compared_stands_beside_the_number(films, place):
    short = media.video(place / "short.mp4", [frame[::2, ::2] for frame in runs.clip(0, 4, 96)])
    found = evaluate(short, films[1], ["psnr", "ssim@gray"], size=48)
    assert found["ssim"].protocol == "ssim@gray/size=48" and "length" in found["ssim"].warnings
    assert "48x48 pixels" in evaluate(short, films[1], "psnr")["psnr"].reason


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"metrics": "pnsr"}, UsageError),
        ({"align": "centre"}, UsageError),
        ({"reference": "nowhere.mp4"}, InputError),
    ],
)
def test_mistakes_are_errors(films, arguments, error):
    with pytest.raises(error):
        evaluate(films[0], **arguments)
