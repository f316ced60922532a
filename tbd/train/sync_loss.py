"""SyncNet as a second judge of stage 2: whether the lips that a prediction stands for fit the sound. Off by default.

As LatentSync's supervision in pixel space (Li et al. 2024, arXiv 2412.09262, whose expert is Wav2Lip's idea): the clean
latents are estimated in one step, at every timestep alike, decoded by the frozen autoencoder, and a frozen SyncNet looks at
five consecutive frames. Those two train a SyncNet of their own with cross entropy on a cosine, and supervise with it. Ours is
Chung and Zisserman's, trained on Euclidean distances (contrastive loss), and scored by them; so the term is the distance of
what belongs together, LSE-D without a shift. It is not squared: where an estimate says little, at high noise, its gradient
does not grow with how far off the lips are.

A sample whose sound was left out does not count: its network could not know what is said.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from torch import Tensor
from torch.nn.functional import interpolate, pad, pairwise_distance

from tbd import weights
from tbd.errors import UsageError
from tbd.media.lip_window import FRAMES, GREY, SIDE
from tbd.media.syncnet import SyncNet, syncnet
from tbd.model.activation_checkpointing import run_checkpointed
from tbd.model.autoencoder import ImageAutoencoder
from tbd.model.noise import snr
from tbd.train.batch import Batch
from tbd.train.recipe import TrainRecipe


class SyncLoss:
    """The term, and its mean for the log.

    One window of five frames of each sample is decoded, a frame at a time, and again in the backward pass: what is kept
    beside the network's own activations is one frame's of the decoder.

    Args:
        network: frozen.
        image: the frozen autoencoder.
        schedule: of the diffusion.
        weight: of the term against eq. 1.
    """

    def __init__(self, network: SyncNet, image: ImageAutoencoder, schedule: DDIMScheduler, weight: float) -> None:
        self.network, self.image, self.schedule, self.weight = network, image, schedule, weight
        self._seen = torch.zeros(2)

    def __call__(self, batch: Batch, prediction: Tensor, target: Tensor) -> Tensor:
        """What is added to a batch's loss: the mean over its samples, those without sound as 0, times the weight.

        Args:
            batch: of stage 2, with ``lips`` and ``mfcc``.
            prediction, target: ``(B, 4, F, h, w)``.
        """
        found = self.distances(batch, prediction, target)
        seen = torch.stack([found.detach().sum(), found.new_tensor(len(found))])
        self._seen = self._seen.to(seen.device) + seen
        return self.weight * found.sum() / len(batch.keep_audio)

    def distances(self, batch: Batch, prediction: Tensor, target: Tensor) -> Tensor:
        """``(N,)``: of lips and sound, for the N samples that were given their sound; see ``__call__``."""
        assert batch.lips is not None and batch.mfcc is not None  # the trainer's batches have them where this is on
        latents = estimated_latents(self.schedule, batch.latents, prediction, target, batch.timesteps)
        places, told = batch.lips.tolist(), batch.keep_audio.nonzero()[:, 0].tolist()
        if not told:
            return latents.new_zeros(0)
        lips = [self._lips(latents[i, :, places[i][0] :][:, :FRAMES], places[i][1:]) for i in told]
        seen = self.network.look(torch.stack(lips))[:, 0]
        return pairwise_distance(seen, self.network.listen(batch.mfcc[told, None]))

    def figures(self, reduce: Callable[[Tensor, str], Tensor]) -> dict[str, float]:
        """``sync``: the mean distance since this was last called, over all processes; empty where there was no sound.

        Args:
            reduce: accelerate's; called by every process.
        """
        total, count = reduce(self._seen, "sum").tolist()
        self._seen = torch.zeros_like(self._seen)
        return {"sync": total / count} if count else {}

    def _lips(self, latents: Tensor, square: Sequence[int]) -> Tensor:
        """``(4, 5, h, w)`` -> ``(3, 5, 224, 224)``."""
        frames = [run_checkpointed("full", self.image.pictures, frame[None]) for frame in latents.unbind(1)]
        return lip_pictures(torch.cat(frames), square).transpose(0, 1)


def make_sync_loss(
    recipe: TrainRecipe, stage: int, image: ImageAutoencoder, schedule: DDIMScheduler
) -> SyncLoss | None:
    """The term of a recipe, on the autoencoder's device; None where it plays no part: then nothing is loaded.

    Raises:
        UsageError: deterministic algorithms are asked for on a GPU.
        MissingError: SyncNet is not on this machine.
        InputError: its file holds something else.
    """
    if stage == 1 or not recipe.loss.sync:
        return None
    device = image.model.device
    if device.type == "cuda" and recipe.hardware.deterministic:
        raise UsageError(
            "loss.sync: SyncNet pools in three dimensions, for which torch has no deterministic gradient on a GPU",
            next="--set hardware.deterministic=false, or --set loss.sync=0",
        )
    network = syncnet(weights.resolve(recipe.weights.sync), str(device))
    return SyncLoss(network, image, schedule, recipe.loss.sync)


def estimated_latents(
    schedule: DDIMScheduler, latents: Tensor, prediction: Tensor, target: Tensor, timesteps: Tensor
) -> Tensor:
    """The clean latents that a prediction stands for, in one step from where it was asked.

        latents + s (target - prediction),  s = sqrt((1 - a) / a) for epsilon, sqrt(1 - a) for velocity

    a is the schedule's cumulative product of alphas: DDIM's predicted x0 (Song et al. 2021, equation 12), in which the noisy
    latents are written by the clean ones.

    Args:
        latents: the clean ones, ``(B, 4, F, h, w)``.
        prediction, target: the same shape.
        timesteps: ``(B,)``.
    """
    ratio = snr(schedule, timesteps)
    spread = (ratio if schedule.config["prediction_type"] == "epsilon" else ratio + 1) ** -0.5
    return latents + spread.reshape(-1, 1, 1, 1, 1) * (target - prediction)


def lip_pictures(pictures: Tensor, square: Sequence[int]) -> Tensor:
    """What SyncNet looks at: cut out and resized as the evaluation does, but for its rounding. Gradients pass.

    Args:
        pictures: ``(N, 3, S, S)`` RGB from 0 to 255; what lies beyond is brought there, as a file would.
        square: left, top, right, bottom in pixels; it may leave the picture, and is grey there.

    Returns:
        ``(N, 3, 224, 224)`` BGR.
    """
    left, top, right, bottom = square
    side = pictures.shape[-1]
    piece = pad(pictures.clamp(0, 255), (-left, right - side, -top, bottom - side), value=GREY)
    return interpolate(piece, size=(SIDE, SIDE), mode="bilinear").flip(1)
