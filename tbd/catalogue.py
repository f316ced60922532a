"""Every file of weights that ``tbd`` can use: where it comes from, its hash, and its terms.

Hashes were compared in several independent public lock files; ``None`` means that no published
value is known, never that any file will do. Nothing here is shipped except what pip packages carry.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Commercial = Literal["yes", "no", "unstated"]


@dataclass(frozen=True, slots=True)
class File:
    """One file, by its name relative to the folder of its ``Weights``."""

    name: str
    bytes: int | None = None
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class Weights:
    """What one part of ``tbd`` loads as a unit.

    Attributes:
        key: the short name in ``tbd weights pull KEY``.
        purpose: what needs it.
        files: what must be there; one file resolves to that file, several to their folder.
        licence: as its publisher states it.
        commercial: whether the licence allows commercial use; ``unstated`` when there is no licence.
        hub: repository on the Hugging Face Hub; None when it is published elsewhere.
        subfolder: folder of ``files`` inside that repository.
        aliases: earlier or equal repositories whose cached copy serves as well.
        trees: folders that hold it in other projects' ``pretrained_models/``.
        elsewhere: folders where the library that made it popular keeps it.
        package: a pip package that carries it, and the folder inside.
        origin: where to look when it is not on the hub.
        without: how to do without it, for the error message.
    """

    key: str
    purpose: str
    files: tuple[File, ...]
    licence: str
    commercial: Commercial
    hub: str | None = None
    subfolder: str = ""
    aliases: tuple[str, ...] = ()
    trees: tuple[str, ...] = ()
    elsewhere: tuple[str, ...] = ()
    package: tuple[str, str] | None = None
    origin: str = ""
    without: str = ""

    @property
    def ids(self) -> tuple[str, ...]:
        """Hub repositories, the current one first."""
        return ((self.hub,) if self.hub else ()) + self.aliases

    @property
    def patterns(self) -> list[str]:
        """What to download: the named files, or with only ``config.json`` named a whole transformers model."""
        if [file.name for file in self.files] == ["config.json"]:
            return ["*.json", "*.safetensors", "*.txt", "*.model", "*.jinja"]
        prefix = f"{self.subfolder}/" if self.subfolder else ""
        return [prefix + file.name for file in self.files]


WITHOUT_MODEL = "--backend facs needs no weights, nor does --endpoint URL (a server that has the model)"
_TORCH = ("~/.cache/torch/hub/checkpoints",)


def language_model(
    hub: str, key: str = "", licence: str = "see its page", commercial: Commercial = "unstated"
) -> Weights:
    """The entry of a vision-language model in transformers' layout; any repository of the hub can be one."""
    purpose = "annotate: the language model of the chain"
    return Weights(key or hub, purpose, (File("config.json"),), licence, commercial, hub, without=WITHOUT_MODEL)


CATALOGUE: tuple[Weights, ...] = (
    language_model("Qwen/Qwen2-VL-7B-Instruct", "qwen2-vl-7b", "Apache-2.0", "yes"),
    language_model("Qwen/Qwen2-VL-2B-Instruct", "qwen2-vl-2b", "Apache-2.0", "yes"),
    language_model("Qwen/Qwen2.5-VL-7B-Instruct", "qwen2.5-vl-7b", "Apache-2.0", "yes"),
    language_model("Qwen/Qwen3-VL-8B-Instruct", "qwen3-vl-8b", "Apache-2.0", "yes"),
    Weights(
        "mtcnn",
        "every stage: face detection",
        (
            File("pnet.pt", 28_570, "a2a71925e0b9996a42f63e47efc1ca19043e69558b5c523b978d611dfae49c8f"),
            File("rnet.pt", 403_147, "bbb937de72efc9ef83b186c49f5f558467a1d7e3453a8ece0d71a886633f6a86"),
            File("onet.pt", 1_559_269, "165bfbe42940416ccfb977545cf0e976d5bf321f67083ae2aaaa5c764280118d"),
        ),
        "MIT",
        "yes",
        package=("facenet_pytorch", "data"),
        origin="the pip package facenet-pytorch",
    ),
    Weights(
        "sd-1.5",
        "train, generate: the UNet of Stable Diffusion 1.5",
        (
            File("unet/config.json"),
            File(
                "unet/diffusion_pytorch_model.safetensors",
                3_438_167_540,
                "19da7aaa4b880e59d56843f1fcb4dd9b599c28a1d9d9af7c1143057c8ffae9f1",
            ),
        ),
        "CreativeML OpenRAIL-M (with use restrictions)",
        "yes",
        "stable-diffusion-v1-5/stable-diffusion-v1-5",
        aliases=("runwayml/stable-diffusion-v1-5",),
        trees=("stable-diffusion-v1-5",),
    ),
    Weights(
        "sd-1.5-text",
        "train, generate: CLIP's text encoder as Stable Diffusion 1.5 uses it",
        (
            File("text_encoder/config.json"),
            File(
                "text_encoder/model.safetensors",
                492_265_874,
                "d008943c017f0092921106440254dbbe00b6a285f7883ec8ba160c3faad88334",
            ),
            File("tokenizer/vocab.json"),
            File("tokenizer/merges.txt"),
        ),
        "CreativeML OpenRAIL-M (with use restrictions)",
        "yes",
        "stable-diffusion-v1-5/stable-diffusion-v1-5",
        aliases=("runwayml/stable-diffusion-v1-5",),
        trees=("stable-diffusion-v1-5",),
    ),
    Weights(
        "sd-vae-ft-mse",
        "train, generate: the image autoencoder",
        (
            File("config.json"),
            File(
                "diffusion_pytorch_model.safetensors",
                334_643_276,
                "a1d993488569e928462932c8c38a0760b874d166399b14414135bd9c42df5815",
            ),
        ),
        "MIT",
        "yes",
        "stabilityai/sd-vae-ft-mse",
        trees=("sd-vae-ft-mse",),
    ),
    Weights(
        "wav2vec2",
        "train, generate: the speech encoder",
        (
            File("config.json"),
            File("preprocessor_config.json"),
            File(
                "model.safetensors",
                377_607_901,
                "8aa76ab2243c81747a1f832954586bc566090c83a0ac167df6f31f0fa917d74a",
            ),
        ),
        "Apache-2.0",
        "yes",
        "facebook/wav2vec2-base-960h",
        trees=("wav2vec/wav2vec2-base-960h",),
    ),
    Weights(
        "animatediff-v2",
        "train: the motion module that stage 2 starts from (diffusers layout)",
        (File("config.json"), File("diffusion_pytorch_model.safetensors")),
        "none stated for this copy; AnimateDiff is Apache-2.0",
        "unstated",
        "guoyww/animatediff-motion-adapter-v1-5-2",
    ),
    Weights(
        "animatediff-v2-original",
        "train: the same motion module in AnimateDiff's own layout",
        (
            File(
                "mm_sd_v15_v2.ckpt",
                1_817_888_431,
                "69ed0f5fef82b110aca51bcab73b21104242bc65d6ab4b8b2a2a94d31cad1bf0",
            ),
        ),
        "Apache-2.0",
        "yes",
        "guoyww/animatediff",
        trees=("motion_module",),
    ),
    Weights(
        "hallo",
        "train: an optional warm start",
        (File("net.pth"),),
        "MIT",
        "yes",
        "fudan-generative-ai/hallo",
        subfolder="hallo",
        trees=("hallo",),
    ),
    Weights(
        "inception-fid",
        "eval: FID, KID",
        (
            File(
                "pt_inception-2015-12-05-6726825d.pth",
                sha256="6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
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
        (File("i3d_torchscript.pt", 51_235_320, "bec6519f66ea534e953026b4ae2c65553c17bf105611c746d904657e5860a5e2"),),
        "none stated",
        "unstated",
        "flateon/FVD-I3D-torchscript",
    ),
    Weights(
        "i3d-videogpt",
        "eval: FVD in VideoGPT's protocol",
        (File("i3d_pretrained_400.pt"),),
        "none stated",
        "unstated",
        origin="the release v1.0 of npurson/fid-metrics",
    ),
    Weights(
        "syncnet",
        "eval: lip sync",
        (File("syncnet_v2.model", 54_573_114, "961e8696f888fce4f3f3a6c3d5b3267cf5b343100b238e79b2659bff2c605442"),),
        "none stated",
        "unstated",
        "ByteDance/LatentSync-1.6",
        subfolder="auxiliary",
        aliases=("ByteDance/LatentSync-1.5",),
    ),
    Weights(
        "s3fd",
        "eval: face tracks for lip sync",
        (File("sfd_face.pth", 89_844_381, "d54a87c2b7543b64729c9a25eafd188da15fd3f6e02f0ecec76ae1b30d86c491"),),
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
        (File("vgg16-397923af.pth", 553_433_881, "397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0"),),
        "BSD-3-Clause",
        "yes",
        elsewhere=_TORCH,
        origin="torchvision's model zoo",
    ),
    Weights(
        "buffalo_l",
        "train, eval: identity (ArcFace and its detector)",
        (
            File("w600k_r50.onnx", 174_383_860, "4c06341c33c2ca1f86781dab0e829f88ad5b64be9fba56e56bc9ebdefc619e43"),
            File("det_10g.onnx", sha256="5838f7fe053675b1c7a08b633df49e7af5495cee0493c7dcf6697200b85b5b91"),
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
            ),
        ),
        "Apache-2.0",
        "yes",
        origin="the models page of MediaPipe's Face Landmarker (float16, version 1)",
    ),
    Weights(
        "hsemotion",
        "eval: emotion accuracy",
        (File("enet_b0_8_best_vgaf.onnx", sha256="00085f9a8ef0bf8fc24a645550185703768951a53aff9f141c8637529eba1840"),),
        "Apache-2.0 (trained on AffectNet, which is for research)",
        "unstated",
        elsewhere=("~/.hsemotion",),
        origin="models/affectnet_emotions/onnx in av-savchenko/hsemotion-onnx",
    ),
)
