"""The weights that training starts from: published, random, or those of stage 1 with stage 2's layers added."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator

import torch

from tbd import weights
from tbd.model.empty_weights import deferred_weights, without_memory
from tbd.model.network import TBDNetwork, build_network
from tbd.model.published_weights import load_hallo, load_motion, load_sd15
from tbd.model.recipe import Network
from tbd.model.weight_files import LoadReport, fill

ADDED = r"(audio|motion)_modules"
"""Pattern of the UNet's weights that stage 2 adds."""


def pretrained_network(
    network: Network, *, unet: str, warm_start: str | None = None
) -> tuple[TBDNetwork, list[LoadReport]]:
    """The network of stage 1 at Stable Diffusion's weights, mapped from their files, with a report on every key.

    Args:
        network: size and layers.
        unet: catalogue key, hub id or folder of SD 1.5.
        warm_start: Hallo's net.pth on top.

    Raises:
        MissingError: weights are not on this machine; says how to get them.
        InputError: they are damaged, or another model's.
    """
    with without_memory():
        made = build_network(network, 1)
    reports = load_sd15(made, weights.resolve(unet))
    if warm_start is not None:
        reports += load_hallo(made, weights.resolve(warm_start))
    return made, reports


def random_network(network: Network, stage: int, seed: int) -> TBDNetwork:
    """A network at random weights, the same for the same seed; the ReferenceNet begins as a copy of the UNet.

    So it does in SD 1.5 (section 3.3): what a layer of one writes, the layer of the other can read from the first step.
    """
    with seeded(seed):
        made = build_network(network, stage)
    own, other = made.unet.state_dict(), made.reference_net.state_dict()
    made.reference_net.load_state_dict({key: own.get(key, value) for key, value in other.items()})
    return made


def add_stage2_layers(
    first: TBDNetwork, network: Network, *, motion: str | None, warm_start: str | TBDNetwork | None, seed: int
) -> tuple[TBDNetwork, list[LoadReport]]:
    """The network of stage 2 from that of stage 1: audio and motion layers are added, everything else is taken over.

    Weights that are taken over, or from a file, are not copied: only what begins at random has memory of its own.

    Args:
        first: of stage 1, with the same layers; afterwards it shares its weights.
        network: size and layers.
        motion: AnimateDiff's weights; None starts the motion layers at random, ending in zeros.
        warm_start: Hallo's net.pth, for its motion layers and audio projection; or a network of stage 2, for all that
            stage 2 adds.
        seed: of the new layers.

    Raises:
        InputError: ``first``, or ``warm_start``, is another network.
        MissingError: as ``pretrained_network``.
    """
    with seeded(seed), deferred_weights() as deferred:
        grown = build_network(network, 2)
    reports = [
        fill(grown.unet, first.unet.state_dict(), "stage 1 -> unet", kept=ADDED).check(),
        fill(grown.reference_net, first.reference_net.state_dict(), "stage 1 -> reference_net").check(),
    ]
    if motion is not None:
        reports.append(load_motion(grown.unet, weights.resolve(motion)))
    if isinstance(warm_start, TBDNetwork):
        reports += _added_layers(grown, warm_start)
    elif warm_start is not None:
        reports += load_hallo(grown, weights.resolve(warm_start))
    deferred.begin(grown)
    return grown, reports


def _added_layers(grown: TBDNetwork, trained: TBDNetwork) -> list[LoadReport]:
    """What stage 2 added to another network, laid over what it adds to this one; all else stays that of stage 1."""
    added = {key: value for key, value in trained.unet.state_dict().items() if re.search(ADDED, key)}
    spoken = trained.audio_projection.state_dict() if trained.audio_projection is not None else {}
    assert grown.audio_projection is not None  # it is a stage 2
    return [
        fill(grown.unet, added, "stage 2 -> unet", kept=rf"^(?!.*{ADDED})").check(),
        fill(grown.audio_projection, spoken, "stage 2 -> audio_projection").check(),
    ]


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Inside, torch draws what it draws after ``manual_seed(seed)``; outside nothing changes."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield
