"""Files of random weights under the names and in the layouts of the published ones."""

import torch
from plain_i3d import PlainI3D, published_names
from torch import nn


def lively(network, seed=0):
    """Random weights that keep signals alive, and normalisations that a trained network could have."""
    generator = torch.Generator().manual_seed(seed)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d | nn.BatchNorm3d):
            module.weight.data.uniform_(0.7, 1.3, generator=generator)
            module.bias.data.normal_(0, 0.2, generator=generator)
            module.running_mean.normal_(0, 0.2, generator=generator)
            module.running_var.uniform_(0.5, 1.5, generator=generator)
        elif isinstance(module, nn.Conv2d | nn.Conv3d | nn.Linear):
            fan = module.weight[0].numel()
            module.weight.data.normal_(0, (2 / fan) ** 0.5, generator=generator)
            if module.bias is not None:
                module.bias.data.normal_(0, 0.1, generator=generator)
    return network.eval().requires_grad_(False)


def inception(folder):
    """FID's network: torchvision's, with 1008 classes."""
    from torchvision.models import Inception3

    network = lively(Inception3(1008, aux_logits=False, init_weights=False))
    torch.save(network.state_dict(), folder / "pt_inception-2015-12-05-6726825d.pth")
    return network


def i3d(folder):
    """FVD's network in both published forms, as the plain network that is in them."""
    network = lively(PlainI3D())
    torch.save(published_names(network.state_dict()), folder / "i3d_pretrained_400.pt")
    torch.jit.script(network).save(str(folder / "i3d_torchscript.pt"))
    return network


def syncnet(folder):
    """SyncNet, which scores lip sync."""
    from tbd.media.syncnet import SyncNet

    network = lively(SyncNet())
    torch.save(network.state_dict(), folder / "syncnet_v2.model")
    return network


def lpips(folder, net):
    """LPIPS' backbone; gives the ``lpips`` package's network with the same weights."""
    import lpips

    peer = lpips.LPIPS(net=net, pnet_rand=True, verbose=False)
    lively(peer.net)
    layers = {name.partition(".")[2]: tensor for name, tensor in peer.net.state_dict().items()}
    name = {"alex": "alexnet-owt-7be5be79.pth", "vgg": "vgg16-397923af.pth"}[net]
    classifier = {"classifier.6.bias": torch.zeros(1000)}
    torch.save({f"features.{key}": tensor for key, tensor in layers.items()} | classifier, folder / name)
    return peer
