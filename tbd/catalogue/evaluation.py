"""Weights of the evaluation."""

from __future__ import annotations

from tbd.catalogue.entry import File, Weights

_TORCH = ("~/.cache/torch/hub/checkpoints",)

EVALUATION: tuple[Weights, ...] = (
    Weights(
        "inception-fid",
        "eval: FID, KID",
        (
            File(
                "pt_inception-2015-12-05-6726825d.pth",
                sha256="6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
                urls=(
                    "https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/pt_inception-2015-12-05-6726825d.pth",
                    "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/weights-inception-2015-12-05-6726825d.pth",
                ),
            ),
        ),
        "Apache-2.0",
        "yes",
        elsewhere=_TORCH,
        origin="the release fid_weights of mseitzer/pytorch-fid",
    ),
    Weights(
        "i3d-stylegan-v",
        "eval: FVD",
        (
            File(
                "i3d_torchscript.pt",
                51_235_320,
                "bec6519f66ea534e953026b4ae2c65553c17bf105611c746d904657e5860a5e2",
                urls=(
                    "https://raw.githubusercontent.com/JunyaoHu/common_metrics_on_video_quality/main/fvd/styleganv/i3d_torchscript.pt",
                    "https://www.dropbox.com/s/ge9e5ujwgetktms/i3d_torchscript.pt?dl=1",
                ),
            ),
        ),
        "none stated",
        "unstated",
        "flateon/FVD-I3D-torchscript",
    ),
    Weights(
        "i3d-videogpt",
        "eval: FVD in VideoGPT's protocol",
        (
            File(
                "i3d_pretrained_400.pt",
                urls=(
                    "https://raw.githubusercontent.com/JunyaoHu/common_metrics_on_video_quality/main/fvd/videogpt/i3d_pretrained_400.pt",
                ),
            ),
        ),
        "none stated",
        "unstated",
        origin="the release v1.0 of npurson/fid-metrics",
    ),
    Weights(
        "syncnet",
        "eval: lip sync",
        (
            File(
                "syncnet_v2.model",
                54_573_114,
                "961e8696f888fce4f3f3a6c3d5b3267cf5b343100b238e79b2659bff2c605442",
                urls=("https://www.robots.ox.ac.uk/~vgg/software/lipsync/data/syncnet_v2.model",),
            ),
        ),
        "none stated",
        "unstated",
        "ByteDance/LatentSync-1.6",
        subfolder="auxiliary",
        aliases=("ByteDance/LatentSync-1.5",),
    ),
    Weights(
        "s3fd",
        "eval: face tracks for lip sync",
        (
            File(
                "sfd_face.pth",
                89_844_381,
                "d54a87c2b7543b64729c9a25eafd188da15fd3f6e02f0ecec76ae1b30d86c491",
                urls=("https://www.robots.ox.ac.uk/~vgg/software/lipsync/data/sfd_face.pth",),
            ),
        ),
        "none stated",
        "unstated",
        "ByteDance/LatentSync-1.6",
        subfolder="auxiliary",
        aliases=("ByteDance/LatentSync-1.5",),
    ),
    Weights(
        "lpips",
        "eval: LPIPS, the learned heads",
        (
            File("alex.pth", 6009, "df73285e35b22355a2df87cdb6b70b343713b667eddbda73e1977e0c860835c0"),
            File("vgg.pth", 7289, "a78928a0af1e5f0fcb1f3b9e8f8c3a2a5a3de244d830ad5c1feddc79b8432868"),
            File("squeeze.pth", 10_811, "4a5350f23600cb79923ce65bb07cbf57dca461329894153e05a1346bd531cf76"),
        ),
        "BSD-2-Clause",
        "yes",
        package=("lpips", "weights/v0.1"),
        origin="the pip package lpips",
    ),
    Weights(
        "alexnet",
        "eval: LPIPS, the backbone",
        (
            File(
                "alexnet-owt-7be5be79.pth",
                sha256="7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02",
                urls=("https://download.pytorch.org/models/alexnet-owt-7be5be79.pth",),
            ),
        ),
        "BSD-3-Clause",
        "yes",
        elsewhere=_TORCH,
        origin="torchvision's model zoo",
    ),
    Weights(
        "vgg16",
        "eval: LPIPS with VGG",
        (
            File(
                "vgg16-397923af.pth",
                553_433_881,
                "397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
                urls=("https://download.pytorch.org/models/vgg16-397923af.pth",),
            ),
        ),
        "BSD-3-Clause",
        "yes",
        elsewhere=_TORCH,
        origin="torchvision's model zoo",
    ),
    Weights(
        "buffalo_l",
        "train, eval: identity (ArcFace and its detector)",
        (
            File(
                "w600k_r50.onnx",
                174_383_860,
                "4c06341c33c2ca1f86781dab0e829f88ad5b64be9fba56e56bc9ebdefc619e43",
                urls=(
                    "https://github.com/deepinsight/insightface/releases/download/v0.7/buffalo_l.zip#w600k_r50.onnx",
                ),
            ),
            File(
                "det_10g.onnx",
                sha256="5838f7fe053675b1c7a08b633df49e7af5495cee0493c7dcf6697200b85b5b91",
                urls=("https://github.com/deepinsight/insightface/releases/download/v0.7/buffalo_l.zip#det_10g.onnx",),
            ),
        ),
        "non-commercial research only",
        "no",
        elsewhere=("~/.insightface/models/buffalo_l",),
        origin="buffalo_l.zip in the model zoo of deepinsight/insightface",
    ),
    Weights(
        "vggface2",
        "eval: style codes (InceptionResnetV1)",
        (
            File(
                "20180402-114759-vggface2.pt",
                sha256="281cebca8662831adb987a874bdcb36e73f5b1c6dc5ee5878f305e985625d99b",
                urls=(
                    "https://github.com/timesler/facenet-pytorch/releases/download/v2.2.9/20180402-114759-vggface2.pt",
                ),
            ),
        ),
        "MIT (trained on VGGFace2)",
        "yes",
        elsewhere=("~/.cache/torch/checkpoints", *_TORCH),
        origin="the releases of timesler/facenet-pytorch",
    ),
    Weights(
        "face_landmarker",
        "eval: landmark distances (MediaPipe)",
        (
            File(
                "face_landmarker.task",
                3_758_596,
                "64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff",
                urls=(
                    "https://storage.googleapis.com/mediapipe-models/face_landmarker/face_landmarker/float16/1/face_landmarker.task",
                ),
            ),
        ),
        "Apache-2.0",
        "yes",
        origin="the models page of MediaPipe's Face Landmarker (float16, version 1)",
    ),
    Weights(
        "hsemotion",
        "eval: emotion accuracy",
        (
            File(
                "enet_b0_8_best_vgaf.onnx",
                sha256="00085f9a8ef0bf8fc24a645550185703768951a53aff9f141c8637529eba1840",
                urls=(
                    "https://github.com/av-savchenko/hsemotion-onnx/raw/main/models/affectnet_emotions/onnx/enet_b0_8_best_vgaf.onnx",
                    "https://github.com/HSE-asavchenko/face-emotion-recognition/raw/main/models/affectnet_emotions/onnx/enet_b0_8_best_vgaf.onnx",
                ),
            ),
        ),
        "Apache-2.0 (trained on AffectNet, which is for research)",
        "unstated",
        elsewhere=("~/.hsemotion",),
        origin="models/affectnet_emotions/onnx in av-savchenko/hsemotion-onnx",
    ),
    Weights(
        "drawn-reader",
        "replicate: metrics @drawn",
        (File("drawn-reader.safetensors"),),
        "yours: it is trained on this machine",
        "yes",
        origin="training on this machine",
        made="tbd weights pull drawn-reader",
        choice=True,
    ),
)
