import random
import subprocess
import sys
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

from tbd.errors import MissingError
from tbd.manifest import count_tokens, token_ids
from tbd.manifest.tokens import _vocabulary

PIECES = [
    "The",
    "man's",
    "orbicularis",
    "oculi,",
    "zygomaticus",
    "it's",
    "I'LL",
    "don't",
    "½",
    "12",
    "1999",
    "é",
    "naïve",
    "—",
    "…",
    "😀",
    "中文",
    "&amp;",
    "&lt;b&gt;",
    "(",
    "!!",
    "'s",
    "x_y",
    "AU12",
    "straße",
    "İ",
    "ﬁ",
    "Ⅷ",
    "²",
    "“quote”",
    "a-b",
    "&amp;amp;",
    "ʼs",
    "é",
    "\u200b",
    "\x1b[0m",
    "mouth",
    "brows",
    "Mild",
    "Happiness.",
]


@pytest.fixture(scope="module")
def reference():
    """open_clip's own tokenizer, from its file: importing the whole package takes many seconds."""
    package = find_spec("open_clip").submodule_search_locations[0]
    spec = spec_from_file_location("open_clip_tokenizer", Path(package) / "tokenizer.py")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.SimpleTokenizer().encode


def test_ids_and_counts_equal_open_clips_on_random_prompts(reference):
    rng = random.Random(0)
    for _ in range(2_000):
        gaps = rng.choices(["", " ", "  ", "\n", "\t"], [2, 8, 1, 1, 1], k=12)
        text = "".join(rng.choice(PIECES) + gap for gap in gaps[: rng.randint(0, 12)])
        assert token_ids(text) == reference(text), repr(text)
        assert count_tokens(text) == len(reference(text)) + 2


@pytest.mark.parametrize(
    ("text", "tokens"),
    [("", 2), ("   \n", 2), ("a", 3), ("A", 3), ("happy", 3), ("2026", 6), ("it's", 4), ("a&amp;b", 5)],
)
def test_known_counts(text, tokens):
    assert count_tokens(text) == tokens


def test_known_ids_are_clips_own():
    assert token_ids("a photo of a cat.") == [320, 1125, 539, 320, 2368, 269]


def test_a_long_prompt_is_counted_to_its_end(reference):
    text = "the corner of the mouth rises " * 100
    assert count_tokens(text) == len(reference(text)) + 2 == 602


def test_counting_imports_neither_torch_nor_open_clip():
    code = "import sys; from tbd.manifest.tokens import count_tokens; print(count_tokens('a face é')); "
    code += "print([name for name in ('torch', 'open_clip', 'transformers') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["5", "[]"]


def test_a_missing_vocabulary_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr("tbd.manifest.tokens.find_spec", lambda name: None)
    with pytest.raises(MissingError, match="vocabulary") as caught:
        _vocabulary()
    assert caught.value.next == "pip install open_clip_torch"
