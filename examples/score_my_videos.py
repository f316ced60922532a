"""Score a folder of videos against a folder of true ones, from Python: ``python score_my_videos.py MINE TRUE``.

The same as ``tbd eval MINE --reference TRUE --suite quick``, with the numbers in hand.
"""

import argparse
from pathlib import Path

from tbd.console import Progress
from tbd.evaluate.inputs.plan import plan
from tbd.evaluate.inputs.sources import EvaluationRequest
from tbd.evaluate.run import run


def score(mine: Path, true: Path, output: Path) -> dict[str, float | None]:
    """Headline numbers of a folder of videos; files are paired by name."""
    planned = plan(EvaluationRequest(runs=(mine,), reference=true, suite="quick", output=output, workers=0))
    document = run(planned, Progress("eval", len(planned.jobs)))
    return {key: entry["value"] for key, entry in document["runs"][0]["scores"].items()}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("mine", type=Path)
    parser.add_argument("true", type=Path)
    given = parser.parse_args()
    for key, value in score(given.mine, given.true, Path("results/example")).items():
        print(f"{key:10}{value:.4f}" if value is not None else f"{key:10}–")
