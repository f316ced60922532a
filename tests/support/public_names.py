"""Names that other people's programs rely on, by module."""

PUBLIC = {
    "tbd": ["__version__"],
    "tbd.errors": ["TbdError", "UsageError", "RecipeError", "InputError", "MissingError", "Interrupted", "Terminated"],
    "tbd.annotate.facs": ["parse_action_units", "ACTION_UNITS", "EMOTIONS"],
    "tbd.annotate.gates": ["check"],
    "tbd.evaluate": [
        *("evaluate", "psnr", "ssim", "cpbd", "mfcc", "sync_scores", "frechet_distance", "kernel_distance", "lpips"),
    ],
    "tbd.generate": ["ProgressivePrompts", "TalkingHeadPipeline"],
    "tbd.manifest": ["read", "SCHEMA", "levels"],
    "tbd.model.guidance": ["stage_weights", "blend"],
    "tbd.weights": ["resolve", "published", "sha256", "verify", "pull", "CATALOGUE"],
}
