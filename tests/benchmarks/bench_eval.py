"""One pass is cheap: against playing the clip, against separate tools, and in memory. Ratios are taken in one run."""

import subprocess
import sys
from itertools import count
from pathlib import Path

import av
import media
import numpy as np
import pytest
import random_weights
import runs
import torch
from timing import least_seconds

from tbd import weights
from tbd.evaluate.engine import one_pass
from tbd.evaluate.engine.cache import ScoreCache
from tbd.evaluate.inputs.jobs import ClipJob, GroundTruth, RunVideo, Settings
from tbd.evaluate.metrics.registry import choose, suite
from tbd.evaluate.metrics.sync import METRICS as SYNC
from tbd.media import video

pytestmark = pytest.mark.bench

BASELINES = (RunVideo("ground truth", "truth"), RunVideo("still frame of the target clip", "still"))
SECONDS, FPS = 5, 25


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    """Five seconds at 512 x 512, and a softer version."""
    folder = tmp_path_factory.mktemp("films")
    frames = runs.clip(0, SECONDS * FPS, 512)
    sound = media.tone(SECONDS)
    return (
        media.video(folder / "true.mp4", frames, audio=sound),
        media.video(folder / "pred.mp4", runs.worse(frames, 1.0), audio=sound),
    )


def scored(folder, videos, metrics, true):
    with ScoreCache(Path(folder)) as store:
        return one_pass.score(ClipJob("clip", GroundTruth(reference=true), videos, metrics, Settings()), store)


def test_the_quick_suite_takes_a_few_times_what_decoding_takes(films, tmp_path):
    """Of the run's video and its ground truth, once each; least of three interleaved, after the first has compiled."""
    true, pred = films
    metrics = choose(suite("quick").metrics)
    videos = (RunVideo("run", "run", pred), *BASELINES)
    scored(tmp_path / "first", videos, metrics, true)
    numbers = count()

    def score(runs):
        return scored(tmp_path / f"cache{next(numbers)}", runs, metrics, true)

    decode, alone, whole = least_seconds(
        lambda: [sum(1 for _ in video.frames(path)) for path in films],
        lambda: score(videos[:1]),
        lambda: score(videos),
        times=3,
    )
    words = f"run alone {alone / decode:.1f} x, with both baselines {whole / decode:.1f} x pure decoding"
    print(f"\nquick suite on {SECONDS} s at 512x512, one core: {words} ({SECONDS / whole:.1f} x as fast as it plays)")
    assert whole < 10 * decode


def test_one_pass_over_three_runs_beats_separate_tools(tmp_path, monkeypatch):
    """The tools: scikit-image, ``lpips``, torch-fidelity's network, and ours one by one where there is no package."""
    folder = tmp_path / "weights"
    folder.mkdir()
    peers = {"inception": random_weights.inception(folder), "lpips": random_weights.lpips(folder, "alex")}
    random_weights.i3d(folder)
    _save_sync(folder)
    monkeypatch.setattr(weights, "_folder", folder)
    frames, sound = runs.clip(0, 48, 256), media.tone(48 / FPS)
    true = media.video(tmp_path / "true.mp4", frames, audio=sound)
    videos = tuple(
        RunVideo(f"run{i}", "run", media.video(tmp_path / f"{i}.mp4", runs.worse(frames, 0.5 + i), audio=sound))
        for i in range(3)
    )
    metrics = choose(suite("paper").metrics)
    (ours,) = least_seconds(lambda: scored(tmp_path / "one", videos, metrics, true), times=1)
    theirs = {}
    for name, tool in TOOLS.items():
        (theirs[name],) = least_seconds(
            lambda tool=tool: [tool(take.path, true, peers, tmp_path) for take in videos], times=1
        )
    each = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in theirs.items())
    total = sum(theirs.values())
    print(
        f"\npaper suite, three runs of 48 frames at 256x256: {ours:.1f} s; separate tools {total:.1f} s ({each}): {total / ours:.2f} x"
    )
    assert total / ours > 1.5


def test_memory_does_not_grow_with_the_clip(films, tmp_path):
    long = [_repeated(path, tmp_path / f"long_{path.name}", 60) for path in films]
    peaks = [_peak(*films, tmp_path / "a"), _peak(*long, tmp_path / "b")]
    print(f"\npeak memory: 5 s {peaks[0]:.0f} MB, 5 min {peaks[1]:.0f} MB, {peaks[1] / peaks[0]:.2f} x")
    assert peaks[1] < 1.2 * peaks[0]


def _peak(true, pred, cache):
    """Peak resident memory of a fresh process that scores one clip with the quick suite, in MB."""
    code = (
        "import sys; from pathlib import Path; from tbd.evaluate.engine import one_pass\n"
        "from tbd.evaluate.engine.cache import ScoreCache; from tbd.evaluate.inputs.jobs import *; from tbd.evaluate.metrics.registry import choose\n"
        "true, pred, cache = map(Path, sys.argv[1:])\n"
        "videos = (RunVideo('run', 'run', pred), RunVideo('ground truth', 'truth'), RunVideo('still', 'still'))\n"
        "job = ClipJob('clip', GroundTruth(reference=true), videos, choose(['psnr', 'ssim', 'cpbd']), Settings(threads=2))\n"
        "rows = one_pass.score(job, ScoreCache(cache)); assert all(row.status == 'ok' for row in rows), rows\n"
        "print(next(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')))\n"
    )
    arguments = [sys.executable, "-c", code, *map(str, (true, pred, cache))]
    return float(subprocess.run(arguments, capture_output=True, text=True, check=True).stdout) / 1000


def _repeated(path, target, times):
    """A video of which the packets are repeated, without encoding anything again."""
    with av.open(str(target), "w") as written:
        out = None
        for turn in range(times):
            with av.open(str(path)) as source:
                stream = source.streams.video[0]
                out = out or written.add_stream_from_template(stream)
                shift = round(turn * SECONDS / stream.time_base)
                for packet in source.demux(stream):
                    if packet.pts is not None:
                        packet.pts, packet.dts, packet.stream = packet.pts + shift, packet.dts + shift, out
                        written.mux(packet)
    return target


def _save_sync(folder):
    from tbd.evaluate.networks.s3fd import S3FD

    random_weights.syncnet(folder)
    torch.save(S3FD().state_dict(), folder / "sfd_face.pth")


def _pixels(path):
    return np.stack([frame for _, frame in video.frames(path)])


def _psnr(pred, true, peers, folder):
    from skimage.metrics import peak_signal_noise_ratio

    return [peak_signal_noise_ratio(b, a) for a, b in zip(_pixels(pred), _pixels(true), strict=True)]


def _ssim(pred, true, peers, folder):
    from skimage.metrics import structural_similarity

    return [structural_similarity(a, b, channel_axis=-1) for a, b in zip(_pixels(pred), _pixels(true), strict=True)]


def _lpips(pred, true, peers, folder):
    with torch.inference_mode():
        a, b = (torch.from_numpy(_pixels(path)).permute(0, 3, 1, 2).float() / 127.5 - 1 for path in (pred, true))
        return [peers["lpips"](a[i : i + 8], b[i : i + 8]) for i in range(0, len(a), 8)]


def _fid(pred, true, peers, folder):
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    path = str(folder / "weights" / "pt_inception-2015-12-05-6726825d.pth")
    network = FeatureExtractorInceptionV3("inception", ["2048"], feature_extractor_weights_path=path).eval()
    with torch.inference_mode():
        sides = [torch.from_numpy(_pixels(path)).permute(0, 3, 1, 2) for path in (pred, true)]
        return [network(side[i : i + 16]) for side in sides for i in range(0, len(side), 16)]


def _alone(name):
    def tool(pred, true, peers, folder):
        fresh = folder / f"{name}-{pred.stem}"
        return scored(fresh, (RunVideo("run", "run", pred),), choose([name]), true)

    return tool


TOOLS = {
    "psnr": _psnr,
    "ssim": _ssim,
    "lpips": _lpips,
    "fid": _fid,
    "fvd": _alone("fvd"),
    "cpbd": _alone("cpbd"),
    "sync": _alone(SYNC[0].protocol),
}
"""CPBD, FVD and SyncNet by our own code, which is generous: their scripts are far slower."""
