"""Progressive guidance in somebody else's pipeline: ``python progressive_prompts_for_wan.py MODEL OUT.mp4``.

Coarse prompt while the picture is noise, fine prompts later, without training: a step callback that works with every diffusers
pipeline that shows ``prompt_embeds`` to it (Wan, Stable Diffusion, AnimateDiff and most others).
"""

import argparse
from typing import Any

from tbd.generate.progressive_prompts import ProgressivePrompts

LEVELS = (
    "A woman in her thirties is speaking to the camera with a happy emotion.",
    (
        "An open smile raises her cheeks and narrows the eyes, showing Moderate Happiness. Zygomaticus major pulls the lip corners up and "
        "back, orbicularis oculi lifts the cheeks. The smile grows with the first words and relaxes slowly."
    ),
)
"""From global to local, as ``tbd annotate --image`` prints them."""


def render(pipe: Any, steps: int = 40, **options: Any) -> Any:
    """Frames of one video whose prompt changes from ``LEVELS[0]`` to ``LEVELS[1]`` over the denoising steps."""
    guide = ProgressivePrompts.encode(pipe, LEVELS)
    return pipe(**guide.inputs(num_inference_steps=steps, pipe=pipe), **options).frames[0]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("model")
    parser.add_argument("output")
    given = parser.parse_args()

    import torch
    from diffusers import WanPipeline
    from diffusers.utils import export_to_video

    loaded = WanPipeline.from_pretrained(given.model, torch_dtype=torch.bfloat16).to("cuda")
    export_to_video(render(loaded, height=480, width=832, num_frames=49), given.output, fps=16)
