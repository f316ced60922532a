"""Exact CLIP token counts, offline and without importing torch or open_clip.

CLIP's vocabulary ships inside ``open_clip_torch``; the ``tokenizers`` library applies it. The text is
cleaned as CLIP cleans it (openai/CLIP ``simple_tokenizer.py``): repaired by ftfy, HTML entities
resolved twice, white space joined, lower case.
"""

from __future__ import annotations

import gzip
import html
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tbd.errors import MissingError

_MERGES = 48_894
"""CLIP uses the first merges of a longer list: 2 x 256 letters + these + 2 specials = 49,408 ids."""
_PIECES = r"'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+"
"""What byte pairs are merged within: contractions, words, single digits, runs of other signs."""


@lru_cache(maxsize=65_536)
def count_tokens(text: str) -> int:
    """CLIP tokens of ``text`` with both specials: 2 for an empty text, 77 fill CLIP's window.

    About 0.1 ms a new text; a repeated one costs nothing. The words ``<start_of_text>`` and
    ``<end_of_text>`` inside a prompt are counted as the text they are.

    Raises:
        MissingError: CLIP's vocabulary is not installed.
    """
    return len(token_ids(text)) + 2


def token_ids(text: str) -> list[int]:
    """CLIP's token ids of ``text`` in [0, 49406), without specials.

    Raises:
        MissingError: CLIP's vocabulary is not installed.
    """
    ids: list[int] = _tokenizer().encode(_clean(text), add_special_tokens=False).ids
    return ids


def _clean(text: str) -> str:
    if not (text.isascii() and text.isprintable() and "&" not in text):  # else ftfy has nothing to repair
        import ftfy

        text = html.unescape(html.unescape(ftfy.fix_text(text)))
    return " ".join(text.split()).lower()


@lru_cache(maxsize=1)
def _tokenizer() -> Any:
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers

    lines = gzip.decompress(_vocabulary().read_bytes()).decode("utf-8").split("\n")
    merges = [(left, right) for left, right in (line.split() for line in lines[1 : _MERGES + 1])]
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())  # it comes in any order; CLIP's ids follow this one
    tokens = [*letters, *(f"{letter}</w>" for letter in letters), *map("".join, merges)]
    ids = {token: id for id, token in enumerate(tokens)}
    tokenizer = Tokenizer(models.BPE(vocab=ids, merges=merges, end_of_word_suffix="</w>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_PIECES), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    return tokenizer


def _letters() -> list[str]:
    """How CLIP writes the 256 bytes, in the order of its ids: those that print as they are, then the rest."""
    printing = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    return [chr(code) for code in (*printing, *range(256, 512 - len(printing)))]


def _vocabulary() -> Path:
    spec = find_spec("open_clip")  # finds the folder without running the package
    for folder in (spec and spec.submodule_search_locations) or ():
        file = Path(folder) / "bpe_simple_vocab_16e6.txt.gz"
        if file.is_file():
            return file
    raise MissingError(
        "CLIP's vocabulary is missing: it comes with open_clip_torch, which is not installed here",
        next="pip install open_clip_torch",
    )
