"""Regional compilation reaches every block, also in a network with as many sizes of blocks as SD 1.5."""

import tiny_model
import torch
from torch._dynamo.testing import CompileCounter

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
