"""How many weights a network has, from its sizes alone: for plans, which need no torch.

The layers are diffusers' (``ResnetBlock2D``, ``BasicTransformerBlock``, ``AnimateDiffTransformer3D``) as ``tbd.model.unet``,
``reference`` and ``motion`` put them together; a test counts the networks themselves and holds them against this.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass
from typing import Any

from tbd.model.recipe import Network
from tbd.model.shapes import network_sizes


@dataclass(frozen=True)
class WeightCounts:
    """Weights of a network, by what may learn them.

    Attributes:
        spatial: of both UNets without attention: convolutions, resnets, time embedding.
        attention: of their spatial attention layers, but for the denoising network's text attention.
        text: of that.
        added: of what stage 2 adds: audio and motion layers, audio projection.
    """

    spatial: int
    attention: int
    text: int
    added: int

    @property
    def total(self) -> int:
        """All of them."""
        return sum(astuple(self))


def network_weights(network: Network, stage: int) -> WeightCounts:
    """Count the weights of a stage's network.

    Args:
        network: size and layers.
        stage: 1 or 2.
    """
    sizes = network_sizes(network)
    unet, context = sizes.unet, sizes.unet["cross_attention_dim"]
    outside, seeing, blind = _walk(unet)
    reference = sum(_spatial(width) + _cross(width, context) for width in seeing) - _behind_last(seeing[-1], context)
    own = sum(map(_spatial, seeing)) if network.text_layer == "separate" else 0  # the text's own layers
    added = 0
    if stage == 2:
        moving = [*seeing, *(blind if network.lowest_motion else ())]
        added = sum(_spatial(width) + _cross(width, context) for width in seeing) + sum(map(_motion, moving))
        added += _audio_projection(network, sizes.audio)
    return WeightCounts(
        spatial=2 * outside - _end(unet["block_out_channels"][0]),
        attention=sum(map(_spatial, seeing)) + reference,
        text=own + sum(_cross(width, context) for width in seeing),
        added=added,
    )


def _walk(unet: dict[str, Any]) -> tuple[int, list[int], list[int]]:
    """Weights of one UNet outside attention, and the widths of its sites with attention and without, down to up."""
    widths, layers = unet["block_out_channels"], unet["layers_per_block"]
    width, time = widths[0], 4 * widths[0]
    count = _convolution(4, width) + _linear(width, time) + _linear(time, time) + _end(width)
    passed, seeing, blind = [width], list[int](), list[int]()
    for number, (kind, out) in enumerate(zip(unet["down_block_types"], widths, strict=True), 1):
        for _ in range(layers):
            count += _resnet(width, out, time)
            width = out
            passed.append(width)
            (seeing if kind.startswith("CrossAttn") else blind).append(width)
        if number < len(widths):
            count += _convolution(width, width)
            passed.append(width)
    count += 2 * _resnet(width, width, time)
    seeing.append(width)
    for number, (kind, out) in enumerate(zip(unet["up_block_types"], reversed(widths), strict=True), 1):
        for _ in range(layers + 1):
            count += _resnet(width + passed.pop(), out, time)
            width = out
            (seeing if kind.startswith("CrossAttn") else blind).append(width)
        count += _convolution(width, width) if number < len(widths) else 0
    return count, seeing, blind


def _linear(inside: int, out: int) -> int:
    return inside * out + out


def _convolution(inside: int, out: int) -> int:
    return 9 * inside * out + out


def _norm(width: int) -> int:
    return 2 * width


def _end(width: int) -> int:
    """Last normalisation and convolution, which the ReferenceNet does not have."""
    return _norm(width) + _convolution(width, 4)


def _resnet(inside: int, out: int, time: int) -> int:
    shortcut = _linear(inside, out) if inside != out else 0
    convolutions = _convolution(inside, out) + _convolution(out, out)
    return _norm(inside) + _norm(out) + convolutions + _linear(time, out) + shortcut


def _self_attention(width: int) -> int:
    return 3 * width * width + _linear(width, width)


def _feed_forward(width: int) -> int:
    return _linear(width, 8 * width) + _linear(4 * width, width)


def _spatial(width: int) -> int:
    """A spatial layer without its second attention."""
    around = _norm(width) + 2 * _linear(width, width)
    return around + 2 * _norm(width) + _self_attention(width) + _feed_forward(width)


def _cross(width: int, context: int) -> int:
    """The second attention of a spatial layer, with its normalisation."""
    return _norm(width) + width * width + 2 * context * width + _linear(width, width)


def _behind_last(width: int, context: int) -> int:
    """What the ReferenceNet's last site lacks: all behind the features."""
    block = _self_attention(width) + _cross(width, context) + _norm(width) + _feed_forward(width)
    return block + _linear(width, width)


def _motion(width: int) -> int:
    block = 3 * _norm(width) + 2 * _self_attention(width) + _feed_forward(width)
    return _norm(width) + 2 * _linear(width, width) + block


def _audio_projection(network: Network, audio: dict[str, Any]) -> int:
    window, hidden, width = 2 * network.audio_context + 1, audio["hidden"], audio["width"]
    first = _linear(window * audio["layers"] * audio["channels"], hidden)
    return first + _linear(hidden, hidden) + _linear(hidden, network.audio_tokens * width) + _norm(width)
