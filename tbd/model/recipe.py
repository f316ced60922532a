"""What defines a model: every key that a checkpoint needs to be built and sampled again.

The paper leaves some of these open; each open point is one key, and its other reading is a value.
"""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from tbd.recipe import Recipe

Direction = Literal["denoising", "timestep"]
Schedule = Literal["paper", "hard", "continuous"]
Partner = Literal["next", "previous", "cyclic"]


class Guidance(Recipe):
    """Progressive guidance (section 3.4, Algorithms 1 and 2): which prompt level speaks at which noise level."""

    schedule: Literal["paper", "hard", "continuous", "none"] = "paper"
    """``hard`` switches, ``continuous`` crosses over without the jump, ``none`` joins all levels into one text."""
    levels: int = Field(2, ge=1, le=4)
    """k of Fig. 9; read as 1 when the schedule is ``none``."""
    fractions: tuple[float, ...] | None = None
    """Shares of the levels, coarse first; None is 0.4 and 0.6 for two levels (s1 = 0.4 t), equal shares otherwise."""
    direction: Direction = "denoising"
    """``denoising``: coarse while the picture is noise (prose, Fig. 6); ``timestep``: Algorithm 2 to the letter."""
    partner: Partner = "next"
    """The neighbour a level is blended with; all three are the paper's for k = 2."""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.fractions is not None:
            if len(self.fractions) != self.k or min(self.fractions) <= 0:
                raise ValueError(f"fractions: {self.k} positive numbers are needed, one a level")
            if abs(sum(self.fractions) - 1) > 1e-6:
                raise ValueError(f"fractions: they add up to {sum(self.fractions):g}, not to 1")
        return self

    @property
    def k(self) -> int:
        """Number of prompt levels the network hears."""
        return 1 if self.schedule == "none" else self.levels

    @property
    def shares(self) -> tuple[float, ...]:
        """``fractions`` with its default filled in, ``k`` numbers."""
        if self.fractions is not None:
            return self.fractions
        return (0.4, 0.6) if self.k == 2 else (1 / self.k,) * self.k


class Text(Recipe):
    """How prompts reach CLIP's 77 tokens."""

    chunks: int | None = Field(None, ge=1, le=4)
    """Chunks of 75 tokens a text gets; None is 2 for one joined text, else 1."""
    overflow: Literal["error", "cut"] = "error"
    """What happens to a text that is longer; a cut is counted and reported."""


class Noise(Recipe):
    """The diffusion process; saved as ``scheduler/scheduler_config.json`` and read from there by every sampler."""

    prediction: Literal["epsilon", "v_prediction"] = "epsilon"
    """Eq. 1 predicts the noise; Hallo the velocity."""
    steps: int = Field(1000, ge=2)
    """Timesteps of the process, T."""
    beta_schedule: Literal["scaled_linear", "linear", "squaredcos_cap_v2"] = "scaled_linear"
    """How the noise grows from ``beta_start`` to ``beta_end``; Stable Diffusion's is ``scaled_linear``."""
    beta_start: float = 0.00085
    """Variance that the first timestep adds."""
    beta_end: float = 0.012
    """Variance that the last timestep adds."""
    zero_snr: bool = False
    """Rescale so that the last step is pure noise (Lin et al. 2024); needs ``v_prediction``."""
    spacing: Literal["leading", "trailing", "linspace"] = "trailing"
    """Which timesteps a sampler of few steps visits; ``trailing`` begins at the last one (Lin et al. 2024)."""
    offset: float = Field(0.0, ge=0)
    """Strength of one constant a picture and channel added to the noise."""
    shared: float = Field(0.0, ge=0, le=1)
    """Share of the noise's variance that all frames of a clip have in common (PYoCo, Ge et al. 2023), in training and
    sampling; LatentSync trains with 0.5."""

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.zero_snr and self.prediction == "epsilon":
            raise ValueError("zero_snr: at the last step nothing but noise is left, so epsilon cannot be learned; "
                             "take prediction = 'v_prediction'")  # fmt: skip
        return self


class Network(Recipe):
    """The layers (section 3.3, Fig. 5, Appendix A)."""

    size: Literal["sd15", "small", "tiny"] = "sd15"
    """The same layers at three widths: 2.5 G, 9 M and 0.6 M parameters in stage 2; ``tiny`` is for tests, ``small`` for a laptop."""
    text_layer: Literal["shared", "separate"] = "shared"
    """``shared``: the text attention inside SD's own transformer; ``separate``: its own layer (Appendix A to the letter)."""
    reference_text: Literal["empty", "coarse", "zeros"] = "empty"
    """What the ReferenceNet hears; ``empty`` keeps its features independent of the prompt."""
    motion_frames: int = Field(2, ge=0, le=8)
    """Earlier frames that stage 2 sees."""
    lowest_motion: bool = True
    """Motion layers in the blocks without attention too, as AnimateDiff has them; Hallo's checkpoint never used them."""
    audio_context: int = Field(2, ge=0, le=8)
    """wav2vec frames on either side of a video frame."""
    audio_tokens: int = Field(32, ge=1)
    """Tokens that one frame's sound becomes."""


class PartWeights(Recipe):
    """Where every part starts: a catalogue key, a hub id, a file or folder (``tbd weights list``), or ``random``."""

    start: Literal["pretrained", "random"] = "pretrained"
    """``random``: so does every part whose own key still has its default."""
    unet: str = "sd-1.5"
    """Of Stable Diffusion, for the denoising UNet and the ReferenceNet."""
    text_encoder: str = "sd-1.5-text"
    """CLIP's text encoder."""
    vae: str = "sd-vae-ft-mse"
    """``tbd train autoencoder`` makes others."""
    speech: str = "wav2vec2"
    """wav2vec 2.0, which hears the sound."""
    motion: str | None = "animatediff-v2"
    """None is ``random``: the motion layers then end in zeros."""
    warm_start: str | None = None
    """``hallo`` or a path to its net.pth, laid over the weights above; in stage 2 also a checkpoint of another stage 2, for its
    audio and motion layers."""
    sync: str = "syncnet"
    """SyncNet, where ``loss.sync`` is on; never ``random``, for a judge at random weights judges nothing."""

    @model_validator(mode="before")
    @classmethod
    def _resolved(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        found = dict(given)
        if given.get("start") == "random":
            for part in ("unet", "text_encoder", "vae", "speech", "motion"):
                default = cls.model_fields[part].default
                found[part] = "random" if found.get(part, default) == default else found[part]
        return found


class ModelRecipe(Recipe):
    """Everything a checkpoint records about its model."""

    network: Network = Network()
    noise: Noise = Noise()
    guidance: Guidance = Guidance()
    text: Text = Text()

    @property
    def chunks(self) -> int:
        """Chunks of 75 tokens that each text of this model gets."""
        return self.text.chunks or (2 if self.guidance.k == 1 else 1)
