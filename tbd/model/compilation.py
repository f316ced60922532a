"""Regional compilation (``torch.compile`` of the repeated blocks) that leaves alone what checkpointing keeps."""

from __future__ import annotations

from typing import Any

from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

SEPARATE: dict[str, bool] = {"allow_buffer_reuse": False, "inplace_buffers": False}
"""Inductor's options: every result inside a block has memory of its own.

Selective checkpointing keeps attention's result for the backward pass. Inductor does not know of that second owner and
would write a later result of the block over it: the output stays right and the gradients are silently wrong.
"""


class CompilableUNet(UNet2DConditionModel):
    """A UNet whose blocks may be compiled under any checkpointing."""

    def compile_repeated_blocks(self, **keywords: Any) -> None:
        """diffusers' method, with inductor kept from sharing memory between results.

        Args:
            keywords: of ``torch.compile``; ``options`` are added to ours, ``mode`` cannot be named beside them.
        """
        if keywords.get("backend", "inductor") == "inductor":
            keywords["options"] = {**(keywords.get("options") or {}), **SEPARATE}
        super().compile_repeated_blocks(**keywords)
