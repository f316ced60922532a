"""The Parquet contract: one row a clip, read, sealed, checked, split, merged and exported.

Importing this package brings pyarrow and nothing heavier.
"""

from tbd.manifest.levels import CLIP_LIMIT, REST_LIMIT, SCENE_LIMIT, coarse_and_fine, levels
from tbd.manifest.read import MANIFEST, locate, read
from tbd.manifest.reviews import Decision, Decisions, Event, decisions, text_hash
from tbd.manifest.schema import MODEL_COLUMNS, REVIEW_COLUMNS, SCHEMA, SCHEMA_VERSION
from tbd.manifest.seal import Sealed, recorded_split, reseal, resplit, seal
from tbd.manifest.split import RULES, Overlap, SplitRule, assign, overlaps
from tbd.manifest.tokens import count_tokens

__all__ = [
    "CLIP_LIMIT",
    "MANIFEST",
    "MODEL_COLUMNS",
    "REST_LIMIT",
    "REVIEW_COLUMNS",
    "RULES",
    "SCENE_LIMIT",
    "SCHEMA",
    "SCHEMA_VERSION",
    "Decision",
    "Decisions",
    "Event",
    "Overlap",
    "Sealed",
    "SplitRule",
    "assign",
    "coarse_and_fine",
    "count_tokens",
    "decisions",
    "levels",
    "locate",
    "overlaps",
    "read",
    "recorded_split",
    "reseal",
    "resplit",
    "seal",
    "text_hash",
]
