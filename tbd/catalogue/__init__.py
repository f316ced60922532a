"""Every file of weights that ``tbd`` can use: where it comes from, its hash, and its terms.

Hashes were compared in several independent public lock files; ``None`` means that no published
value is known, never that any file will do. Nothing here is shipped except what pip packages carry.
"""

from __future__ import annotations

from tbd.catalogue.entry import STAGES, File, Weights, language_model
from tbd.catalogue.evaluation import EVALUATION
from tbd.catalogue.models import MODELS

__all__ = ["CATALOGUE", "STAGES", "File", "Weights", "language_model"]

CATALOGUE: tuple[Weights, ...] = (*MODELS, *EVALUATION)
