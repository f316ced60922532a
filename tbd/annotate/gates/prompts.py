"""Gates on the prompts themselves: present, within CLIP's limits, finished, and about a face only."""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Callable, Iterator

from tbd.annotate.facs import parse_action_units
from tbd.annotate.gates.replies import bad_characters, foreign, loop_in
from tbd.annotate.gates.table import flag
from tbd.hidden_characters import hidden_characters
from tbd.manifest.prompt_levels import CLIP_LIMIT, LEVELS, REST_LIMIT, SCENE_LIMIT
from tbd.schema import Annotation, Flag

LEAST_WORDS = 3
ALIKE = 0.9
"""Share of common words above which two prompts say the same."""

_PATTERNS = {
    "leaked_file_name": (
        "a file name or an identity code",
        re.compile(
            r"(?i)\b[\w-]+\.(?:mp4|avi|mov|mkv|webm|png|jpe?g|bmp|gif|wav|json|csv)\b|\blevel_\d|(?-i:\b[MW]\d{3}\b)"
        ),
    ),
    "placeholder_left": ("a blank that was not filled", re.compile(r"\{[^{}]*\}|<[A-Za-z_ ]+>|\[[A-Za-z_ ]+\]")),
    "boilerplate": (
        "words to the asker",
        re.compile(
            r"(?i)^\W*(?:(?:sure|certainly|of course|okay)\b|here(?:['’]s| is| are)|as requested"
            r"|(?:(?:coarse|fine|scene|expression|muscles?|dynamics|final) ?(?:prompt)?|prompt|output|answer) ?:)|\w\?"
        ),
    ),
    "picture_talk": (
        "talk of the picture instead of the scene",
        re.compile(
            r"(?i)\b(?:the|this|these|each|provided|given) (?:image|picture|photo|photograph|video|screenshot)s?\b"
            r"|\ban? (?:image|picture|photo|photograph) of\b"
            r"|\b(?:this|each|in the) (?:clip|frame)\b|\b(?:image|frame|picture) \d"
            r"|\b(?:first|second|third|fourth|fifth|sixth|seventh|eighth|last|next|previous|final|initial|earlier|later|other|\dth) "
            r"(?:image|picture|photo|frame|still)s?\b|\b(?:across|between|throughout|over|in|through) (?:(?:the|all|these) )*(?:\w+ )?"
            r"(?:images|pictures|photos|frames|stills)\b|\bframe (?:to|by) frame\b|\bfrom (?:frame|picture|image) to (?:frame|picture|image|the next|another)\b"
        ),
    ),
    "markdown_left": (
        "marks of formatting",
        re.compile(
            r"\*\*|__\w|^\s*(?:#{1,6}|[-*•>]|\d[.)])\s|```|`\w|\|\s*\w[^|]*\||</?[a-z]{1,6}\s*/?>|\]\(http|\\n",
            re.MULTILINE,
        ),
    ),
    "unknown_left": (
        "what is not known, instead of leaving it out",
        re.compile(
            r"(?i)\b(?:unknown|unspecified|undetermined|indeterminate|undefined|unidentified|not (?:visible|specified|known|determined|applicable|provided|available))\b"
            r"|\bn/a\b|\bnull\b|\b(?:with|in|and) none\b|\b(?:can ?not|can['’]t) be (?:determined|seen|told)\b|\bNone\b"
        ),
    ),
    "camera_talk": (
        "talk of the camera, the cut or the sound track",
        re.compile(
            r"(?i)\bcameras?\b(?<!at the camera)(?<!into the camera)(?<!to the camera)|\bzoom(?:s|ed|ing)?\b|\bpan(?:s|ned|ning)? (?:in|out|left|right|across|over|to)\b|\bclose-?ups?\b"
            r"|\b(?:medium|wide|long|close|tracking|establishing|low|head-and-shoulders)[- ](?:shot|angle)s?\b|\bshot (?:of|from|in|with)\b|\bcinematic\w*|\bfootage\b|\bslow[- ]motion\b"
            r"|\bbokeh\b|\bdepth of field\b|\b(?:in|out of|soft|sharp|shallow) focus\b|\bbackground (?:\w+ ){0,2}?(?:blur|music|noise|fades|is blurred|turns|changes)\w*|\bblurr(?:y|ed) background\b"
            r"|\bsoundtrack\b|\bmusic (?:plays|swells|starts)\b|\b(?:the )?(?:scene|screen|video|shot) (?:cuts|fades|dissolves|opens|pans|transitions)\b|\bfade(?:s)? to black\b|\bcuts? to\b"
            r"|\b(?:4|8)k\b|\b(?:ultra[- ])?(?:hd|high[- ]resolution|high[- ]quality|photo-?realistic|hyper-?realistic)\b|\bmasterpiece\b|\bsubtitles?\b|\bwatermark\b|\blens\b(?! of)|\b(?:studio|dramatic|soft|natural|cinematic) light(?:ing)?\b|\bmontage\b"
        ),
    ),
    "not_speaking": (
        "somebody who does not speak",
        re.compile(
            r"(?i)\bsilen(?:t|tly|ce)\b|\b(?:mouth|lips) (?:\w+ ){0,2}?(?:closed|shut|sealed)\b|\b(?:closed|sealed|shut) (?:mouth|lips)\b|\b(?:not|never|n['’]t|without|stops?|refus\w+ to) (?:\w+ )?(?:speak|talk|say)\w*"
            r"|\bspeechless\b|\bwordless(?:ly)?\b|\bmute\b|\bsays nothing\b|\bmotionless\b|\bfrozen in place\b|\b(?:is|while|quietly) (?:listening|sleeping|asleep|posing|singing|eating)\b|\bposes for\b"
        ),
    ),
    "identity_claim": (
        "a person named or compared",
        re.compile(
            r"(?i:\bresembl(?:es|ing)\b|\breminiscent of\b|\bidentified as\b|\bcelebrit\w+|\blook-?alike\b|\bfamous\b|\bnamed )"
            r"|\b(?:[Ll]ooks? like|[Kk]nown as|[Ll]ook of) (?!(?:A|An|The)\b)[A-Z]|\b(?:like|as|actor|actress|singer|president|of) (?!(?:East|South|West|North|Middle|African|Native|Latin|Asian|Moderate|Intense|Mild)\b)[A-Z][a-z]+ [A-Z][a-z]+\b|\b(?:Mr|Mrs|Ms|Dr)\.? [A-Z]"
        ),
    ),
}
_WHO_SPEAKS = ("scene", "coarse", "prompt")
"""Prompts that say that somebody speaks; lips may close for a moment in the others."""
_DANGLING = re.compile(
    r"(?i)(?:[,;:–-]|\b(?:and|or|with|the|an?|of|to|in|on|while|as|is|are|his|her|their|its|by|from|for))\s*$"
)


def named_prompts(annotation: Annotation) -> list[tuple[str, str]]:
    """The prompts with their names, as flags point at them: four levels, coarse and fine, or one prompt."""
    count = len(annotation.prompts)
    if annotation.mode != "cot" and count == 1:
        return [("prompt", annotation.prompts[0])]
    names = ("coarse", "fine") if count == 2 else LEVELS
    return list(zip(names, annotation.prompts, strict=False))


def prompt_flags(annotation: Annotation, count_tokens: Callable[[str], int]) -> Iterator[Flag]:
    """Everything that can be wrong with prompts in any mode."""
    prompts = named_prompts(annotation)
    yield from _missing(annotation, prompts)
    yield from _lengths(annotation, prompts, count_tokens)
    for where, text in prompts:
        if text.strip():
            yield from _words(where, text)
    yield from _alike(prompts)


def _missing(annotation: Annotation, prompts: list[tuple[str, str]]) -> Iterator[Flag]:
    empty = [where for where, text in prompts if not re.search(r"[^\W_]", text)]
    yield from (flag("missing_prompt", f"the {where} prompt holds no words", where) for where in empty)
    expected = len(LEVELS) if annotation.mode == "cot" else 1
    count = len(annotation.prompts)
    if annotation.mode == "cot" and count == 2:
        yield flag("levels_missing", "step IV has two parts, coarse and fine, instead of four", "step4")
    elif count != expected:
        yield flag("missing_prompt", f"{count} prompts instead of {expected}", "step4" if expected > 1 else "prompt")


def _lengths(annotation: Annotation, prompts: list[tuple[str, str]], count: Callable[[str], int]) -> Iterator[Flag]:
    sizes = {where: _size(text, count) for where, text in prompts}
    if len(annotation.prompts) == len(LEVELS):
        rest = [text for _, text in prompts[1:]]
        sizes["details"] = _size(" ".join(rest), count)
    for where, size in sizes.items():
        limit = {"scene": SCENE_LIMIT, "details": REST_LIMIT}.get(where, CLIP_LIMIT)
        place = "dynamics" if where == "details" else where
        what = "expression, muscles and dynamics together have" if where == "details" else f"the {where} prompt has"
        if size > CLIP_LIMIT:
            yield flag("prompt_too_long", f"{what} {size} CLIP tokens; CLIP takes {CLIP_LIMIT}", place)
        elif size > limit:
            yield flag("prompt_over_budget", f"{what} {size} CLIP tokens; the share is {limit}", place)


def _size(text: str, count: Callable[[str], int]) -> int:
    return count(text.encode("utf-8", "replace").decode("utf-8"))  # half characters have no tokens


def _words(where: str, text: str) -> Iterator[Flag]:
    if len(re.findall(r"\w+", text)) < LEAST_WORDS:
        yield flag("too_short", f"the {where} prompt is hardly a sentence", where, text.strip())
    for mention in parse_action_units(text):
        quote = text[mention.start : mention.end]
        yield flag("leaked_code", f"the {where} prompt holds a code, {quote}", where, quote)
    for code, (what, pattern) in _PATTERNS.items():
        if code == "not_speaking" and where not in _WHO_SPEAKS:
            continue
        if match := pattern.search(text):
            yield flag(code, f"{what} in the {where} prompt: {match[0].strip()}", where, match[0])
    if match := _DANGLING.search(text):
        yield flag("unfinished", f"the {where} prompt ends in the middle of a sentence", where, match[0].strip())
    if words := foreign(text):
        yield flag("wrong_language", f"the {where} prompt is not in English", where, words)
    if words := loop_in(text):
        yield flag("repetition", f"the {where} prompt goes in circles", where, words)
    if bad := bad_characters(text):
        yield flag("bad_characters", f"characters that no text should hold in the {where} prompt: {bad}", where)
    if hidden := [sign for sign in hidden_characters(text) if not bad_characters(sign)]:
        names = ", ".join(unicodedata.name(sign, f"U+{ord(sign):04X}").lower() for sign in dict.fromkeys(hidden[:3]))
        yield flag("hidden_characters", f"{len(hidden)} hidden in the {where} prompt: {names}", where, hidden[0])


def _alike(prompts: list[tuple[str, str]]) -> Iterator[Flag]:
    bags = [(where, frozenset(re.findall(r"\w+", text.lower()))) for where, text in prompts]
    for (one, words), (other, others) in itertools.combinations(bags, 2):
        if words and others and len(words & others) > ALIKE * len(words | others):
            yield flag("levels_alike", f"the {one} and {other} prompts say the same", other)
