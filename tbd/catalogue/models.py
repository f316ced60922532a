"""Weights of annotation, training and generation."""

from __future__ import annotations

from tbd.catalogue.entry import File, Weights, language_model

MODELS: tuple[Weights, ...] = (
    language_model("Qwen/Qwen2-VL-7B-Instruct", "qwen2-vl-7b", "Apache-2.0", "yes", choice=False),
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
        "train, generate, eval: the image autoencoder",
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
        choice=True,
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
        choice=True,
    ),
)
