"""The Parquet contract: one row a clip, read, sealed, checked, split, merged and exported.

Importing this package brings pyarrow and nothing heavier.
"""

from tbd.manifest.common import common
from tbd.manifest.compare import Comparison, compare
from tbd.manifest.export import FORMATS, Exported, export
from tbd.manifest.levels import CLIP_LIMIT, REST_LIMIT, SCENE_LIMIT, coarse_and_fine, levels
from tbd.manifest.licences import notice
from tbd.manifest.merge import Merged, merge
from tbd.manifest.read import MANIFEST, locate, read, rejected
from tbd.manifest.report import report, write_report
from tbd.manifest.report_text import as_markdown
from tbd.manifest.reviews import Decision, Decisions, Event, decisions, text_hash
from tbd.manifest.run import roots
from tbd.manifest.schema import MODEL_COLUMNS, REVIEW_COLUMNS, SCHEMA, SCHEMA_VERSION
from tbd.manifest.seal import Sealed, recorded_split, reseal, resplit, seal
from tbd.manifest.split import RULES, Overlap, SplitRule, assign, overlaps
from tbd.manifest.tokens import count_tokens, token_ids
from tbd.manifest.verify import Finding, verify

__all__ = [
    "CLIP_LIMIT",
    "FORMATS",
    "MANIFEST",
    "MODEL_COLUMNS",
    "REST_LIMIT",
    "REVIEW_COLUMNS",
    "RULES",
    "SCENE_LIMIT",
    "SCHEMA",
    "SCHEMA_VERSION",
    "Comparison",
    "Decision",
    "Decisions",
    "Event",
    "Exported",
    "Finding",
    "Merged",
    "Overlap",
    "Sealed",
    "SplitRule",
    "as_markdown",
    "assign",
    "coarse_and_fine",
    "common",
    "compare",
    "count_tokens",
    "decisions",
    "export",
    "levels",
    "locate",
    "merge",
    "notice",
    "overlaps",
    "read",
    "recorded_split",
    "rejected",
    "report",
    "reseal",
    "resplit",
    "roots",
    "seal",
    "text_hash",
    "token_ids",
    "verify",
    "write_report",
]
