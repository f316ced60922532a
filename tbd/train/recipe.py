"""The training recipe: every key that ``train/recipes/*.toml`` may set, with its default."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field, ValidationInfo, field_validator

from tbd.model.recipe import ModelRecipe, Network, PartWeights
from tbd.model.shapes import network_sizes
from tbd.recipe import Recipe, operational


class Data(Recipe):
    """Which pictures, how large, how mixed."""

    size: int = Field(512, ge=16, multiple_of=8)
    """Side of the picture in pixels; the canonical clip at this size."""
    approved_by: Literal["rule", "people"] = "rule"
    """``people``: only rows that a person accepted or edited."""
    split: str = "train"
    """Rows of this split are learned from."""
    mix: dict[str, float] = {}
    """Manifest folder name -> share of the samples; empty: by the number of clips."""
    balance: Literal["none", "level", "emotion"] = "none"
    """Draw every intensity level, or every emotion, equally often."""
    validation: float = Field(0.01, ge=0, lt=1)
    """Share of the training rows kept back for the validation loss."""
    validation_clips: int = Field(8, ge=1)
    """At least so many of them."""
    reference: Literal["clip", "person"] = "clip"
    """Where the reference picture is from: the target's own clip (the paper; it shows the target's expression, so that the
    text has little left to say), or any other clip of the same person, where there is one."""
    apart: int = Field(30, ge=0)
    """Stage 1, reference from the clip: frames between reference and target, as far as the clip allows."""
    moments: Literal["both", "mean"] = "both"
    """What the cache keeps of the VAE's posterior; ``mean`` halves it and trains on its mode."""
    workers: int = operational(2, ge=0)
    """Processes that load samples, for each GPU."""


class Drop(Recipe):
    """Chances, for every sample on its own, that a condition is left out (classifier-free guidance)."""

    reference: float = Field(0.05, ge=0, le=1)
    """The reference picture."""
    text: float = Field(0.05, ge=0, le=1)
    """The prompt."""
    audio: float = Field(0.05, ge=0, le=1)
    """The sound."""
    everything: float = Field(0.05, ge=0, le=1)
    """All of them at once."""
    motion: float = Field(0.05, ge=0, le=1)
    """Start of a video: no earlier frames."""


class Optimizer(Recipe):
    """AdamW at a constant rate, as the paper."""

    name: Literal["adamw", "adamw-8bit", "adamw-8bit-paged"] = "adamw"
    """``adamw-8bit`` keeps its state in 8 bits (extra low-memory); ``-paged`` lets it leave the card between steps."""
    lr: float = Field(1e-5, gt=0)
    """The rate."""
    warmup: int = Field(0, ge=0)
    """Steps over which the rate rises from 0."""
    betas: tuple[float, float] = (0.9, 0.999)
    """Decay of the running means of gradient and squared gradient."""
    weight_decay: float = Field(1e-2, ge=0)
    """Of AdamW, apart from the gradient."""
    eps: float = Field(1e-8, gt=0)
    """Added to the denominator."""
    clip: float = Field(1.0, gt=0)
    """Largest norm of the gradient."""
    new_layers: float = Field(1.0, gt=0)
    """Factor on the rate of the layers that stage 2 adds (audio, motion, audio projection): they end in zeros, and nothing
    before the zeros learns until they have moved (ControlNet, Zhang et al. 2023, section 3.1)."""

    @field_validator("betas")
    @classmethod
    def _shares_of_the_past(cls, betas: tuple[float, float]) -> tuple[float, float]:
        if not all(0 <= beta < 1 for beta in betas):
            raise ValueError("both are shares of the past: at least 0, and less than 1")
        return betas


class Loss(Recipe):
    """Eq. 1, and the weights others put on it."""

    min_snr: float | None = Field(None, gt=0)
    """gamma of min-SNR weighting (Hang et al. 2023), for each sample; None: every timestep counts the same."""
    face: float = Field(1.0, ge=1)
    """Weight of the latents in the face's box against those around it; 1 is eq. 1. Ours: Hallo masks its audio attention
    by face and lips instead."""
    lips: float = Field(1.0, ge=1)
    """Weight of the mouth, the lower middle of the face's box: a hundredth of the picture that decides about lip-sync."""
    sync: float = Field(0.0, ge=0)
    """Weight of SyncNet's distance between the lips of the estimated clip and its sound (after LatentSync, Li et al. 2024);
    0: no SyncNet is loaded. Stage 1 shows no sound, so there it plays no part."""

    @property
    def by_region(self) -> bool:
        """Whether the loss depends on where in the picture it is."""
        return self.face != 1 or self.lips != 1


class Stage(Recipe):
    """A stage; the defaults are stage 1's: single frames, reference and spatial layers."""

    steps: int = operational(30_000, ge=1)
    """A longer run begins as a shorter one, so a finished run can be made longer."""
    frames: int = Field(1, ge=1, le=32)
    """Consecutive frames of a sample."""
    trainable: Literal["all", "attention"] = "all"
    """``attention`` trains only the attention layers of the two UNets: for small cards, and not the paper."""
    text: bool = True
    """Whether the text attention learns."""


class Stage2(Stage):
    """Stage 2: consecutive frames, audio and motion layers."""

    frames: int = Field(14, ge=1, le=32)
    """Consecutive frames of a sample; the paper's 14."""
    text: bool = False
    """Whether the text attention learns; the paper trains it in stage 1 only."""


class AutoencoderRecipe(Recipe):
    """``tbd train autoencoder``; the defaults fine-tune sd-vae-ft-mse's decoder, so that its latents stay what they are."""

    steps: int = Field(20_000, ge=1)
    """Steps of the optimizer."""
    batch: int = Field(4, ge=1)
    """Pictures of a step."""
    lr: float = Field(1e-5, gt=0)
    """Highest rate: reached after 2 % of the steps, then falling to nothing along a cosine."""
    trainable: Literal["decoder", "all"] = "decoder"
    """``all`` changes the latents too: no network that was trained on the old ones understands them."""
    region_weight: float = Field(4.0, ge=1)
    """Of pixels around eyes and mouth; 1: all pixels count the same."""
    gradient: float = Field(1.0, ge=0)
    """Weight of the differences between neighbouring pixels."""
    kl: float = Field(1e-6, ge=0)
    """Weight of the divergence that keeps latents near a normal distribution; counts with ``trainable=all``."""
    jitter: float = Field(0.0, ge=0, le=1)
    """How far colours are mixed by chance: 0 leaves them, 0.3 stands in for people who are not there."""
    held_out: float = Field(0.1, gt=0, lt=1)
    """Share of the people who are kept back, at least one."""


class Hardware(Recipe):
    """What fits a card; ``--gpu-memory`` fills these."""

    batch: int = Field(2, ge=1)
    """Samples on each GPU at a time; the paper's 2."""
    accumulate: int = Field(1, ge=1)
    """Batches for one step of the optimizer."""
    precision: Literal["float32", "bfloat16", "float16"] = "bfloat16"
    """Of the forward pass; the weights that are trained stay in float32."""
    checkpointing: Literal["none", "selective", "full"] = "selective"
    """Activations computed again in the backward pass; ``selective`` keeps those of attention."""
    compile: bool = False
    """torch.compile of the repeated blocks."""
    channels_last: bool = False
    """Memory layout of convolutions: faster on some cards, the same result up to rounding."""
    deterministic: bool = False
    """Only torch's deterministic algorithms on a GPU, so that a run gives the same bits again there too; slower. A CPU always
    gives the same bits."""
    tf32: bool = False
    """Products of float32 matrices on a GPU in TF32 (10 bits of mantissa): faster and less exact; convolutions have it either
    way, as is torch's default."""

    @property
    def keeps_casts(self) -> bool:
        """Whether autocast keeps half-precision copies of the weights during a forward pass: of no use where each layer is
        computed again, for then each needs its copies anew."""
        return self.checkpointing == "none"


class Ema(Recipe):
    """Moving average of the weights, kept beside them."""

    decay: float = Field(0.9999, ge=0, lt=1)
    """0 keeps none."""


class Watch(Recipe):
    """What is written while it runs."""

    save_every: int = operational(1000, ge=1)
    """Steps between checkpoints."""
    keep: int = operational(2, ge=1)
    """Latest checkpoints that stay; the best one stays besides."""
    validate_every: int = operational(1000, ge=1)
    """Steps between validation losses."""
    sample_every: int = operational(2500, ge=0)
    """Steps between sample videos, one set of which follows the last step in any case; 0: none at all."""
    sample_clips: int = operational(2, ge=1)
    """Clips of which sample videos are made."""
    sample_steps: int = operational(20, ge=1)
    """Denoising steps of a sample video."""
    sample_scale: float = operational(3.5, ge=0)
    """Classifier-free guidance of a sample video."""
    clips: int = operational(10, ge=1)
    """Clips that are kept back and looked at: more cost time and tell little, for their noise is always the same."""
    train_clips: int = operational(0, ge=0)
    """After the last step also so many clips that were learned from: what is heard there, though not of strangers yet."""
    bins: int = operational(10, ge=1)
    """Ranges of timesteps whose validation loss is told apart."""
    log_every: int = operational(10, ge=1)
    """Steps between lines of the log."""
    tracker: str = operational("tensorboard")
    """tensorboard, wandb or another that accelerate knows; none."""
    max_bad_steps: int = operational(10, ge=1)
    """Steps in a row without a finite loss after which training stops."""
    max_unreadable: float = operational(0.05, ge=0, le=1)
    """Share of the clips that may prove unreadable (rounded up); the next one in the list is shown instead. More end the run."""


class TrainRecipe(Recipe):
    """A whole training recipe."""

    model_config = ConfigDict(validate_default=True)  # a section's defaults are held against the others, too

    model: ModelRecipe = ModelRecipe()
    weights: PartWeights = PartWeights()
    data: Data = Data()
    drop: Drop = Drop()
    optimizer: Optimizer = Optimizer()
    loss: Loss = Loss()
    autoencoder: AutoencoderRecipe = AutoencoderRecipe()
    stage1: Stage = Stage()
    stage2: Stage2 = Stage2()
    hardware: Hardware = Hardware()
    ema: Ema = Ema()
    watch: Watch = Watch()
    seed: int = Field(0, ge=0)
    """Of weights that begin at random, of noise and of the order of samples."""

    @field_validator("stage2")
    @classmethod
    def _has_places_in_time(cls, stage2: Stage2, info: ValidationInfo) -> Stage2:
        if (model := info.data.get("model")) is None:  # which has mistakes of its own
            return stage2
        earlier, places = model.network.motion_frames, network_sizes(model.network).motion["length"]
        if stage2.frames + earlier > places:
            raise ValueError(
                f"frames: {stage2.frames} and the {earlier} before them (model.network.motion_frames) are more than the "
                f"{places} places in time of the motion layers"
            )
        return stage2

    @field_validator("watch")
    @classmethod
    def _has_timesteps(cls, watch: Watch, info: ValidationInfo) -> Watch:
        if (model := info.data.get("model")) is not None and watch.bins > model.noise.steps:
            raise ValueError(
                f"bins: {watch.bins} ranges of timesteps, and there are {model.noise.steps} timesteps (model.noise.steps)"
            )
        return watch

    @property
    def network(self) -> Network:
        """Short for ``model.network``."""
        return self.model.network


def stage_settings(recipe: TrainRecipe, stage: int) -> Stage:
    """The recipe's section of a stage."""
    return recipe.stage1 if stage == 1 else recipe.stage2
