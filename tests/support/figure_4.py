"""A manifest as the paper's Fig. 4 would make it: its replies, in other words, over drawn clips."""

import pytest
from lying_server import LyingServer, completion
from scripted import fake_examine

from tbd.annotate import examine_pool, run
from tbd.annotate.recipe import AnnotateRecipe
from tbd.demo.dataset import draw

FIGURE_4 = {
    "step1": "Gender: Female, Age: 30-40 years old, Race: Black/African American",
    "step2": "1.AU12 (Lip Corner Puller): the corners of the lips are drawn upward into a smile.\n"
    "2.AU25/26 (Lips Part/Jaw Drop): the mouth opens and the teeth show.\n"
    "3.AU6 (Cheek Raiser): the cheeks are lifted and wrinkles form beside the eyes.\n"
    "4.AU5 (Upper Lid Raiser): the eyes are slightly wider than at rest.",
    "step3": "1.Zygomaticus Major (AU12): pulls the corners of the lips up and back.\n"
    "2.Orbicularis Oculi (AU6 Absence): the smile does not reach the eyes.\n"
    "3.Dpressor Labii Inferioris (AU25): lowers the lower lip so that the teeth show.\n"
    "4.Levator Palpebrae Superioris (AU5): lifts the upper eyelids.",
    "step4": "1. Overall Scene Description: A Black woman aged 30-40 years old is speaking with a happy emotion.\n"
    "2. The facial expression shows a bright open smile as the subject expresses Moderate Happiness. The zygomaticus "
    "major muscles are active, with the lips parted and the teeth visible.",
}
"""Replies in the form of the paper's Fig. 4, in other words."""


def _speaks(handler, body):
    step = body["response_format"]["json_schema"]["name"].removeprefix("tbd_")
    handler.send(200, completion(FIGURE_4[step]))


def drawn_as_in_figure_4(folder, clips):
    """Draw ``clips`` clips below a folder and annotate them; the folder of the manifest."""
    draw(folder / "mead", people=4, clips=clips, size=64, fps=2.0, workers=1)
    recipe = AnnotateRecipe(backend={"name": "server"}, server={"concurrency": 4})
    with LyingServer(then=_speaks) as server, pytest.MonkeyPatch.context() as patch:
        patch.setattr(examine_pool, "examine_clip", fake_examine)  # finds a face without a detector
        request = run.AnnotationRequest(
            folder / "mead", recipe, folder / "m", endpoints=(server.url,), workers=0, quiet=True
        )
        run.run_annotation(run.prepare_annotation(request))
    return folder / "m"
