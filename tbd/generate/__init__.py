"""From a portrait, speech and prompts to a talking video; and the paper's guidance for other people's pipelines.

Names are imported when they are first used: torch and diffusers take seconds.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tbd.generate.pipeline import TalkingHeadPipeline
    from tbd.generate.progressive_prompts import ProgressivePrompts

__all__ = ["ProgressivePrompts", "TalkingHeadPipeline"]


def __getattr__(name: str) -> Any:
    if name == "TalkingHeadPipeline":
        from tbd.generate.pipeline import TalkingHeadPipeline

        return TalkingHeadPipeline
    if name == "ProgressivePrompts":
        from tbd.generate.progressive_prompts import ProgressivePrompts

        return ProgressivePrompts
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
