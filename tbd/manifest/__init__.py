"""The Parquet contract: one row a clip, read, sealed, checked, split, merged and exported.

Importing this package brings pyarrow and nothing heavier.
"""

from tbd.manifest.common_clips import clips_in_common
from tbd.manifest.comparison import ManifestComparison, compare_manifests
from tbd.manifest.export import FORMATS, Exported, export_manifest
from tbd.manifest.licences import licence_notice
from tbd.manifest.markdown import report_markdown
from tbd.manifest.merge import Merged, merge_manifests
from tbd.manifest.prompt_levels import CLIP_LIMIT, REST_LIMIT, SCENE_LIMIT, coarse_and_fine, levels
from tbd.manifest.reader import MANIFEST, locate_manifest, read_manifest, rejected_clips
from tbd.manifest.report import manifest_report, write_report
from tbd.manifest.reviews import Decision, Decisions, Event, read_decisions, text_hash
from tbd.manifest.run import ManifestRun, dataset_roots, read_run, rule_notes
from tbd.manifest.schema import MODEL_COLUMNS, REVIEW_COLUMNS, SCHEMA, SCHEMA_VERSION
from tbd.manifest.seal import Sealed, recorded_split, reseal_manifest, resplit_manifest, seal_as_recorded, seal_manifest
from tbd.manifest.split import RULES, Overlap, SplitRule, assign_split, split_overlaps
from tbd.manifest.tokens import count_tokens, token_ids
from tbd.manifest.verification import Finding, verify_manifest

read = read_manifest
"""The short name that programs rely on."""

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
    "Decision",
    "Decisions",
    "Event",
    "Exported",
    "Finding",
    "ManifestComparison",
    "ManifestRun",
    "Merged",
    "Overlap",
    "Sealed",
    "SplitRule",
    "assign_split",
    "clips_in_common",
    "coarse_and_fine",
    "compare_manifests",
    "count_tokens",
    "dataset_roots",
    "export_manifest",
    "levels",
    "licence_notice",
    "locate_manifest",
    "manifest_report",
    "merge_manifests",
    "read",
    "read_decisions",
    "read_manifest",
    "read_run",
    "recorded_split",
    "rejected_clips",
    "report_markdown",
    "reseal_manifest",
    "resplit_manifest",
    "rule_notes",
    "seal_as_recorded",
    "seal_manifest",
    "split_overlaps",
    "text_hash",
    "token_ids",
    "verify_manifest",
    "write_report",
]
