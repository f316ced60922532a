"""From one portrait and a few words to four prompts: ``python annotate_one_portrait.py face.jpg "a shy smile"``.

Uses the knowledge base, so it needs no weights; ``backend.name=qwen2-vl`` lets the paper's language model look at the face.
"""

import argparse
from pathlib import Path

from tbd.annotate.portrait import annotate_portrait
from tbd.annotate.recipe import AnnotateRecipe
from tbd.recipe import load


def prompts(image: Path, text: str) -> dict[str, str]:
    """Prompt level -> prompt, coarse to fine."""
    recipe = load(AnnotateRecipe, "annotate", None, ["backend.name=facs"])
    found = annotate_portrait(image, text=text, emotion=None, intensity=None, recipe=recipe)
    return {level["name"]: level["text"] for level in found["prompts"]}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("picture", type=Path)
    parser.add_argument("words")
    given = parser.parse_args()
    for name, prompt in prompts(given.picture, given.words).items():
        print(f"{name}: {prompt}")
