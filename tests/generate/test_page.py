"""The Gradio page: closed without its token, and its buttons do what they say."""

from pathlib import Path

import gradio
import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient
from talking_head import pipeline, speech

from tbd.demo.face import Portrait
from tbd.demo.identity import PEOPLE
from tbd.demo.landmarks import Expression
from tbd.errors import InputError
from tbd.generate.page import TalkingHeadPage, build_page, chain_steps, page_app
from tbd.generate.recipe import load_generate_recipe
from tbd.media import audio, video
from tbd.media.recorded import recorded_details


@pytest.fixture
def page(tmp_path):
    def annotate(picture, emotion, intensity):
        if emotion == "contempt":
            raise InputError("no face was found")
        return [f"{emotion} {intensity}", "fine"], chain_steps(["one", "``` two"])

    return TalkingHeadPage(pipeline(), annotate, load_generate_recipe(["steps=1", "scale=1"]), tmp_path)


def test_without_the_token_nothing_is_served(page):
    with TestClient(page_app(page, "secret"), base_url="http://127.0.0.1") as client:
        assert client.get("/").status_code == client.get("/config?token=wrong").status_code == 403
        opened = client.get("/?token=secret")
        assert opened.status_code == 200 and "Think before you draw" in opened.text
        assert "googleapis" not in opened.text
        assert client.get("/gradio_api/file=/etc/passwd").status_code in (403, 404)


def test_the_buttons(page, tmp_path):
    Image.fromarray(Portrait(PEOPLE[1], 160).draw(Expression({}))).save(tmp_path / "face.png")
    audio.write_wav(tmp_path / "speech.wav", speech(6))
    coarse, fine, chain = page.prompts(str(tmp_path / "face.png"), "happiness", "mild")
    assert (coarse, fine) == ("happiness mild", "fine") and "Step 2" in chain and chain.count("```") == 4
    assert page.prompts(str(tmp_path / "face.png"), "neutral", "mild")[0] == "neutral None"
    seen = []
    path, notes = page.video(
        str(tmp_path / "face.png"),
        str(tmp_path / "speech.wav"),
        "a",
        "b",
        "fast",
        3,
        lambda *told, **_: seen.append(told),
    )
    assert (
        video.probe(tmp_path / "video-1.mp4").num_frames == 6 and path.endswith("video-1.mp4") and "6 frames" in notes
    )
    assert seen[-1] == (1.0,) and np.diff([one[0] for one in seen]).min() > 0


def test_the_grid_shows_every_emotion_at_every_intensity(page, tmp_path, monkeypatch):
    monkeypatch.setattr("tbd.generate.page.grid_places", lambda: [("fear", "mild", "mild"), ("neutral", "mild", None)])
    Image.fromarray(Portrait(PEOPLE[1], 160).draw(Expression({}))).save(tmp_path / "face.png")
    audio.write_wav(tmp_path / "speech.wav", speech(4))
    seen = []
    still, film = page.grid(
        str(tmp_path / "face.png"), str(tmp_path / "speech.wav"), "fast", 0, lambda share, desc: seen.append(desc)
    )
    assert seen == ["mild fear", " neutral"] and video.probe(Path(film)).num_frames == 4
    assert Image.open(still).height > 2 * 96
    assert recorded_details(tmp_path / "grid-1" / "neutral-mild.mp4")["prompts"] == ["neutral None", "fine"]


def test_what_is_missing_is_said_on_the_page(page, tmp_path):
    with pytest.raises(gradio.Error, match="portrait first"):
        page.prompts(None, "fear", "mild")
    with pytest.raises(gradio.Error, match="no face"):
        page.prompts("x.png", "contempt", "mild")
    with pytest.raises(gradio.Error, match="needed"):
        page.video(None, None, "a", "b", "fast", 0, print)
    with pytest.raises(gradio.Error, match="needed"):
        page.grid("x.png", None, "fast", 0, print)
    with pytest.raises(gradio.Error, match="nowhere"):
        page.video(str(tmp_path / "nowhere.png"), "x.wav", "a", "b", "fast", 0, print)


@pytest.mark.parametrize(("given", "shown"), [([], ("fast", 0)), (["seed=7", "preset=paper"], ("paper", 7))])
def test_the_page_begins_with_what_was_given(given, shown, tmp_path):
    page = TalkingHeadPage(None, None, load_generate_recipe(given), tmp_path)
    fields = {getattr(one, "label", ""): one.value for one in build_page(page).blocks.values() if hasattr(one, "value")}
    assert (fields["Sampler"], fields["Seed"]) == shown
