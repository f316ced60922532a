"""Regional compilation reaches every block, of SD 1.5's many sizes too, and agrees with checkpointing."""

import pytest
import tiny_model
import torch
from torch._dynamo.testing import CompileCounter

from tbd.model.compilation import SEPARATE
from tbd.model.network import TBDNetwork
from tbd.model.reference import ReferenceNet
from tbd.model.shapes import SD15
from tbd.model.unet import TBDUNet


def test_every_block_of_sds_layout_is_compiled_and_computes_the_same(monkeypatch):
    monkeypatch.setattr(torch._dynamo.config, "recompile_limit", 8)  # torch's own, and put back afterwards
    torch._dynamo.reset()
    narrow = {"block_out_channels": (4, 8, 16, 16), "cross_attention_dim": 16, "heads": 2, "norm_num_groups": 2}
    sizes = {**SD15.unet, **narrow}
    network, given = TBDNetwork(TBDUNet(**sizes), ReferenceNet(**sizes)), tiny_model.inputs(1)
    expected = network(**given)
    counter = CompileCounter()
    for part in (network.unet, network.reference_net):
        part.compile_repeated_blocks(fullgraph=True, backend=counter)  # fullgraph: an error where a block is left out
    assert torch.allclose(network(**given), expected, atol=1e-5)
    made = counter.frame_count
    network(**{**given, "timesteps": given["timesteps"] - 1})
    assert made > 8 and counter.frame_count == made  # another step compiles nothing again
    torch._dynamo.reset()


def parts(network):
    return network.unet, network.reference_net


@pytest.mark.parametrize("asked", [{}, {"backend": "inductor", "options": {"max_autotune": False}}])
def test_inductor_is_told_to_leave_alone_what_checkpointing_keeps(monkeypatch, asked):
    told = []
    monkeypatch.setattr(torch.nn.Module, "compile", lambda block, **keywords: told.append(keywords))
    for part in parts(tiny_model.network(2)):
        part.compile_repeated_blocks(**asked)
    assert told and all(options["options"] == {**asked.get("options", {}), **SEPARATE} for options in told)


def gradients(net):
    sum(seen.square().mean() for seen in net.features(torch.ones(2, 4, 8, 8), torch.ones(1, 77, 16))).backward()
    return [value.grad for value in net.parameters()]


@pytest.mark.soak
@pytest.mark.parametrize("mode", ["selective", "full"])
def test_checkpointed_blocks_that_inductor_compiled_have_the_same_gradients(mode):
    torch._dynamo.reset()
    expected, net = gradients(tiny_model.network().reference_net), tiny_model.network().reference_net
    net.checkpointing = mode
    net.compile_repeated_blocks()
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(gradients(net), expected, strict=True))
    torch._dynamo.reset()
