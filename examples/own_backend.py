"""A source of replies of your own: ``python own_backend.py``.

A backend opens a batch of conversations and answers step by step. It knows nothing of FACS, journals or retries. This one reads its
answers from a table; yours may call any model. (A model behind an OpenAI-compatible address needs no code: ``--endpoint URL``.)
"""

import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tbd.annotate.backends.base import ConversationStart, Question, Reply
from tbd.annotate.chain import Chain, ChainRunner
from tbd.annotate.gates import check
from tbd.annotate.journal import Journal
from tbd.annotate.recipe import AnnotateRecipe
from tbd.annotate.steps import load_prompts
from tbd.schema import Annotation

UNITS = ((6, "Cheek Raiser", "the cheeks rise a little"), (12, "Lip Corner Puller", "the lip corners rise a little"))
SMILE = {
    "step1": {"gender": "unknown", "age_range": "unknown", "ethnicity": "unknown", "appearance": "unknown"},
    "step2": {
        "action_units": [
            {"au": au, "name": name, "side": "both", "intensity": "B", "description": words}
            for au, name, words in UNITS
        ]
    },
    "step3": {
        "muscles": [
            {"name": "orbicularis oculi", "au": 6, "action": "lifts the cheek"},
            {"name": "zygomaticus major", "au": 12, "action": "pulls the lip corner up and back"},
        ],
        "synergies": "Both work together in a smile.",
        "variation": "Some people show it more in the eyes.",
        "social": "It is shown openly in most company.",
    },
    "step4": {
        "scene": "A person is speaking with a happy emotion.",
        "expression": "The cheeks rise and the lip corners draw up a little, showing Mild Happiness.",
        "muscles": "Zygomaticus major draws the lip corners up and orbicularis oculi lifts the cheeks.",
        "dynamics": "The smile grows with the first words and fades slowly.",
    },
}


class TableSession:
    """One question for each conversation of the batch at a time."""

    def ask(self, questions: Sequence[Question]) -> list[Reply]:
        """The replies, in order; what fails is a ``failed`` reply, never an exception."""
        return [Reply(json.dumps(SMILE[question.step])) for question in questions]


class TableBackend:
    """Answers from a table of steps."""

    name, model, revision = "table", "smile", "1"
    batch_size, concurrency, needs_image = 8, 1, False

    @contextmanager
    def open(self, starts: Sequence[ConversationStart]) -> Iterator[TableSession]:
        """A batch of conversations."""
        yield TableSession()

    def close(self) -> None:
        """Nothing is held."""


def annotate() -> Annotation:
    """One chain, from the first step to the last."""
    backend, recipe = TableBackend(), AnnotateRecipe()
    chain = Chain("anna", Annotation(mode="cot", emotion="happiness", level=1))
    with tempfile.TemporaryDirectory() as folder, Journal(Path(folder)) as journal:
        origin = (backend.name, backend.model, backend.revision)
        ChainRunner(recipe, load_prompts(recipe.chain.prompts), journal, origin).run([chain], backend)
    return chain.topic


if __name__ == "__main__":
    found = annotate()
    print(*found.prompts, sep="\n")
    print(*(f"! {flag.code}: {flag.message}" for flag in check(found)), sep="\n")
