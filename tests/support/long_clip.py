"""A clip that is scored alone: here, or slowly in a process of its own, made to be killed (``python long_clip.py``)."""

import sqlite3
import sys
import time
from pathlib import Path

import runs

from tbd.evaluate.engine import one_pass, progress
from tbd.evaluate.engine.cache import ScoreCache
from tbd.evaluate.inputs.jobs import TRUTH, ClipJob, GroundTruth, RunVideo
from tbd.evaluate.metrics import cpbd, psnr
from tbd.media import video

METRICS = (psnr.METRICS[0], cpbd.METRICS[0], runs.Spread())
RESUMABLE = 4
"""Scores that can go on: those of PSNR and CPBD, of the video and of its ground truth."""


def scored(folder, films):
    with ScoreCache(folder) as store:
        job = ClipJob("clip", GroundTruth(reference=films[1]), (RunVideo("a", "run", films[0]), TRUTH), METRICS)
        return {(row.name, row.protocol): (row.score.value, row.score.n) for row in one_pass.score(job, store)}


def reached(folder):
    """The frames that the scores have come to in a cache, which another process may be writing."""
    try:
        with sqlite3.connect(f"file:{folder / 'evaluate.sqlite'}?mode=ro", uri=True) as database:
            return [frame for (frame,) in database.execute("SELECT frame FROM progress")]
    except sqlite3.OperationalError:  # not there yet
        return []


def main(folder, *films):
    """Too slow to end before it is killed; every window is stored."""
    decode, progress.EVERY = video.decoded, 0.0

    def slow(source, indices):
        for found in decode(source, indices):
            time.sleep(0.02)
            yield found

    video.decoded = slow
    scored(folder, films)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
