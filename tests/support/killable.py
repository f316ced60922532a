"""A whole annotate run in a process of its own, made to be killed: ``python killable.py DATASET OUTPUT``.

Everything is the real code but for the pixels (``fake_examine``) and the model, which takes 3 ms a reply.
"""

import sys
import time
from pathlib import Path

from scripted import ScriptedBackend, fake_examine

from tbd.annotate import backends, examine_pool, run
from tbd.annotate.recipe import AnnotateRecipe
from tbd.selection import Selection


def slow(face, question, good):
    time.sleep(0.003)
    return good


def main(dataset: Path, output: Path, limit: int | None = None) -> None:
    examine_pool.examine_clip = fake_examine
    backend = ScriptedBackend(slow, batch_size=2, concurrency=2)
    backends.create = lambda *_, **__: backend
    backends.open_all = lambda *_, **__: [backend] * 2
    recipe = AnnotateRecipe(backend={"name": "facs"})
    request = run.AnnotationRequest(
        dataset, recipe, output, workers=0, quiet=True, selection=Selection(limit=limit), split="random-80-20"
    )
    run.run_annotation(run.prepare_annotation(request))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else None)
