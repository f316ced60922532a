"""What checkpointing keeps for the backward pass, and what it computes again, counted operation by operation."""

import pytest
import tiny_model
import torch
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter


class Watched(TorchDispatchMode):
    """Counts attentions, and knows which memory that was written inside is still held by somebody."""

    def __init__(self, network, given):
        super().__init__()
        self.written, self.attentions = {}, 0
        self.old = {tensor.untyped_storage()._cdata for tensor in (*network.parameters(), *given.values())}

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        found = operation(*args, **(kwargs or {}))
        name = str(operation)
        self.attentions += "scaled_dot_product" in name and "backward" not in name
        for tensor in tree_iter(found):
            if isinstance(tensor, torch.Tensor):
                storage = tensor.untyped_storage()
                if storage._cdata not in self.old:  # a view of a weight is nothing new
                    self.written[storage._cdata] = StorageWeakRef(storage), storage.nbytes()
        return found

    @property
    def held(self):
        return sum(size for storage, size in self.written.values() if not storage.expired())


def watched(network, mode, given):
    """(bytes held between the passes, attentions of the forward pass, attentions of the backward pass)"""
    network.set_checkpointing(mode)
    with Watched(network, given) as forward:
        prediction = network(**given)
    held = forward.held
    with Watched(network, given) as backward:
        prediction.square().mean().backward()
    return held, forward.attentions, backward.attentions


@pytest.mark.parametrize("stage", [1, 2])
def test_checkpointing_keeps_a_fraction_and_selective_repeats_no_attention(stage):
    network, given = tiny_model.network(stage), tiny_model.inputs(stage)
    plain, selective, full = (watched(network, mode, given) for mode in ("none", "selective", "full"))
    assert full[0] < selective[0] <= 0.25 * plain[0]
    attentions = {1: 14, 2: 36}[stage]  # 6 in the ReferenceNet, 8 spatial; 8 in audio and 14 in motion layers
    assert (plain[1:], selective[1:], full[1:]) == ((attentions, 0), (attentions, 0), (attentions, attentions))


@pytest.mark.parametrize("mode", ["none", "selective", "full"])
def test_a_frozen_reference_net_keeps_its_features_alone(mode):
    network, given = tiny_model.network(2), tiny_model.inputs(2)
    network.reference_net.requires_grad_(False)
    network.set_checkpointing(mode)
    with Watched(network, given) as forward:
        features = network.reference_net(given["reference_latents"], given["reference_text"])
    assert forward.held == sum(feature.nbytes for feature in features)
