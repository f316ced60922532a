"""The model card of a saved pipeline: what it is, how it is called, and what it must not be used for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from diffusers.pipelines.pipeline_utils import DiffusionPipeline
from torch import nn

from tbd import workspace
from tbd.model.empty_weights import settle

README = "README.md"
PLACEHOLDER = "has been automatically generated"
"""Words of the card that diffusers writes where a repository has none."""

CARD = """---
library_name: diffusers
tags:
- talking-head
- audio-driven-animation
- arxiv:2507.12761
---

# A talking-head pipeline of Think-Before-Draw

Portrait, speech and {levels} prompts, from coarse to fine, become a video of {size} x {size} pixels at {fps} frames a
second. Trained with `tbd` on windows of {frames} frames; {parameters:.1f} M parameters, {size_name} network.

```py
from tbd.generate import TalkingHeadPipeline

pipe = TalkingHeadPipeline.from_pretrained("{name}").to("cuda")
video = pipe(image="me.jpg", audio="speech.wav", prompts=[{prompts}], num_inference_steps=40, guidance_scale=3.5)
```

## Limits

The data that it was trained on decide whose faces, languages and emotions it draws well; whoever publishes weights says
here which data these were. Pictures of real people are made to say what they never said: use it with the consent of the
person shown, and mark its videos as made. Every video that `tbd generate` writes says in its metadata how it was made.
"""


class CardedPipeline(DiffusionPipeline):
    """A diffusers pipeline that says what it is: its folder, and its repository on the Hub, have a card."""

    @classmethod
    def from_pretrained(cls, *arguments: Any, **keywords: Any) -> Any:
        """diffusers' method; then weights on the CPU leave their files for memory of their own.

        Where numbers lie decides how sums of them are rounded: so what was read draws the very pictures of what was saved.
        """
        found = super().from_pretrained(*arguments, **keywords)
        for part in found.components.values():
            if isinstance(part, nn.Module) and {one.device.type for one in part.parameters()} == {"cpu"}:
                settle(part)
        return found

    def save_pretrained(self, save_directory: Any, *arguments: Any, **keywords: Any) -> None:
        """diffusers' method; the folder gets a card, unless it has one."""
        super().save_pretrained(save_directory, *arguments, **keywords)
        self._write_card(Path(save_directory), str(save_directory))

    def _upload_folder(self, working_dir: Any, repo_id: str, *arguments: Any, **keywords: Any) -> Any:
        """diffusers' own step between saving and uploading: a card that people wrote on the Hub stays."""
        self._write_card(Path(working_dir), repo_id)
        return super()._upload_folder(working_dir, repo_id, *arguments, **keywords)

    def _write_card(self, folder: Path, name: str) -> None:
        file = folder / README
        if not file.is_file() or PLACEHOLDER in file.read_text(encoding="utf-8"):
            workspace.write_text(file, model_card(self, name))


def model_card(pipe: Any, name: str) -> str:
    """The card as Markdown with the Hub's front matter.

    Args:
        pipe: the ``TalkingHeadPipeline`` that is described.
        name: the folder or hub repository to load it from.
    """
    parts, recipe = (pipe.unet, pipe.reference_net, pipe.audio_projection), pipe.recipe
    return CARD.format(
        levels=recipe.guidance.k,
        size=pipe.settings.size,
        fps=f"{pipe.clip_rule.fps:g}",
        frames=pipe.settings.frames,
        parameters=sum(one.numel() for part in parts for one in part.parameters()) / 1e6,
        size_name=recipe.network.size,
        name=name,
        prompts=", ".join(f"level_{number + 1}" for number in range(recipe.guidance.k)),
    )
