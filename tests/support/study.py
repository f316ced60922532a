"""A small study of two drawn runs, and its page for one browser without a network."""

import re

import pytest
from runs import dataset, run
from starlette.testclient import TestClient

from tbd.evaluate.study import media
from tbd.evaluate.study.app import create_app
from tbd.evaluate.study.assembly import new_study
from tbd.evaluate.study.stimuli import StudyRequest
from tbd.evaluate.study.study_folder import CRITERIA
from tbd.evaluate.study.votes import VoteStore

NAMES = ("sadtalker", "mine")
ORIGIN = "http://127.0.0.1"


def small_study(folder, *, clips=2, raters=10, checks=1, frames=6):
    """A study folder below ``folder``, and its design."""
    manifest = dataset(folder, count=3, frames=frames)
    runs = [run(folder, name, manifest, frames=frames, sigma=1.0 + i) for i, name in enumerate(NAMES)]
    request = StudyRequest(tuple(runs), clips=clips, raters=raters, checks=checks, output=folder / "studies" / "toy")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(media, "CHECK_SECONDS", 0.2)
        return request.output, new_study(request)


class Rater(TestClient):
    """One browser on the page of a study."""

    def __init__(self, folder, study, token=None):
        self.store = VoteStore(folder, study)
        super().__init__(create_app(folder, study, self.store), base_url=ORIGIN)
        self.study = study
        if token:
            assert self.get("/", params={"token": token}).status_code == 200

    def begin(self):
        return self.post("/begin", headers={"Origin": ORIGIN})

    def item(self):
        return self.get("/item").json()

    def vote(self, position, **answers):
        given = {one.key: 3 for one in CRITERIA} | answers
        return self.post("/vote", data={"position": position, "seconds": 1.5, **given}, headers={"Origin": ORIGIN})


def rated(study, rater, position):
    """What stands at a place of a rater's order: system, or the answer of a check."""
    number, system = study.orders[rater][position]
    return (study.systems[system], None) if system >= 0 else ("", study.checks[number].answer)


def no_names(text):
    """Whether none of the systems' names is in a text."""
    return not re.search("|".join(NAMES), text, re.IGNORECASE)
