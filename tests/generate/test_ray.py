"""Generation on a real Ray cluster of two nodes: the bytes of one machine, whoever dies on the way."""

import json
import signal
import subprocess
import sys
import time

import pytest
import ray_cluster
import talking_head
import torch
import training

from tbd.cli import main
from tbd.generate import cluster_workers

pytestmark = [pytest.mark.timeout(600), pytest.mark.xdist_group("ray")]
COUNT = 5
FAST = ("--steps", "1", "--scale", "1", "-q", "--json")


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """A saved pipeline, a manifest of which one clip cannot be read, and what one machine makes of them."""
    folder, threads = tmp_path_factory.mktemp("inputs"), torch.get_num_threads()
    talking_head.pipeline(frames=8).save_pretrained(folder / "model")
    rows = [training.a_row(f"c{number}", number, split="test") for number in range(COUNT)]
    rows.append(training.a_row("c_gone", 3, split="test", file_name="gone.mp4"))
    training.manifest(folder / "toy", rows, size=talking_head.SIZE)
    torch.set_num_threads(1)  # as a worker has
    assert main(command(folder, folder / "local")) == 1
    torch.set_num_threads(threads)
    return folder


@pytest.fixture
def log(inputs, monkeypatch):
    """Where workers note the clips that they have rendered."""
    monkeypatch.setattr(cluster_workers, "render_remotely", ray_cluster.render_or_die)
    file = training.media() / "rendered.log"
    file.unlink(missing_ok=True)
    yield file
    file.unlink(missing_ok=True)


def command(inputs, output, *more):
    given = ("--checkpoint", inputs / "model", "--manifest", inputs / "toy", "-o", output, *FAST, *more)
    return ["generate", *map(str, given)]


def videos(folder):
    return {path.name: path.read_bytes() for path in (folder / "videos").glob("*.mp4")}


def test_workers_render_what_one_machine_renders_also_if_one_is_killed(inputs, log, tmp_path, ray_driver, capsys):
    (training.media() / "001.kills").touch()
    assert main(command(inputs, tmp_path / "ray", "--engine", "ray", "--address", ray_driver)) == 1
    said = capsys.readouterr()
    found = json.loads(said.out)
    assert videos(tmp_path / "ray") == videos(inputs / "local") and len(videos(tmp_path / "ray")) == COUNT
    assert (tmp_path / "ray/run.json").read_bytes() == (inputs / "local/run.json").read_bytes()
    assert (tmp_path / "ray/failed/c_gone.txt").read_bytes() == (inputs / "local/failed/c_gone.txt").read_bytes()
    assert (found["rendered"], list(found["failed"])) == (COUNT, ["c_gone"])
    assert "was lost" in said.err and " jobs, " in said.err


def test_a_driver_that_is_killed_goes_on_where_it_was(inputs, log, tmp_path, ray_driver, capsys):
    arguments = command(inputs, tmp_path / "ray", "--engine", "ray", "--address", ray_driver)
    program = (
        "import ray_cluster; from tbd.cli import main; from tbd.generate import cluster_workers\n"
        f"cluster_workers.render_remotely = ray_cluster.render_or_die; main({arguments!r})"
    )
    driver = subprocess.Popen([sys.executable, "-c", program])
    until = time.monotonic() + 250
    while driver.poll() is None and time.monotonic() < until and not list((tmp_path / "ray").glob("videos/*.mp4")):
        time.sleep(0.01)
    driver.kill()
    assert driver.wait() == -signal.SIGKILL
    kept = len(videos(tmp_path / "ray"))
    log.unlink(missing_ok=True)
    assert 1 <= kept < COUNT
    capsys.readouterr()
    assert main(arguments) == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["rendered"], found["kept"]) == (COUNT - kept, kept)
    assert len(log.read_text().split()) == COUNT - kept, "what was there is not rendered again"
    assert videos(tmp_path / "ray") == videos(inputs / "local")


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (("--address", "127.0.0.1:9"), 2, "--address goes with --engine ray"),
        (("--engine", "ray", "--devices", "0"), 2, "--devices chooses GPUs of this machine"),
        (("--engine", "ray", "--address", "127.0.0.1:9"), 4, "no Ray cluster answers at 127.0.0.1:9"),
    ],
)
def test_what_does_not_fit_the_engine_is_refused(inputs, tmp_path, capsys, options, code, words):
    assert main(command(inputs, tmp_path / "out", *options)) == code
    said = capsys.readouterr()
    assert words in said.out and '"next"' in said.out and not (tmp_path / "out").exists()


def test_one_portrait_is_not_spread(inputs, capsys):
    assert main(["generate", "--engine", "ray", "--image", "face.png", "--audio", "speech.wav"]) == 2
    assert "--engine ray renders the clips of a split" in capsys.readouterr().err
