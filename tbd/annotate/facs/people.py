"""Ages, ethnic groups, hair and things on a person, as words name them."""

from __future__ import annotations

import functools
import re
from collections.abc import Collection, Mapping

from tbd.annotate.facs.knowledge_base import Knowledge, knowledge
from tbd.annotate.facs.movements import any_of

Interval = tuple[int, int]
"""The youngest and the oldest that an expression may mean, in years."""

_TENS = {
    name: 10 * (n + 2)
    for n, name in enumerate("twenties thirties forties fifties sixties seventies eighties nineties".split())
}
_PART = {"early": (0, 4), "mid": (3, 7), "middle": (3, 7), "late": (5, 9)}
_DECADE = re.compile(
    rf"(?i)\b(?:(?P<part>early|mid(?:dle)?|late)[ -]*(?:to[ -](?:mid|late)[ -]*)?)?(?:(?P<name>{'|'.join(_TENS)}|teens)|(?P<number>[1-9]0)['’]?s)\b"
)
_YEARS = re.compile(
    r"(?i)\b(?P<low>\d{1,2})(?:\s*(?:-|–|—|to|and)\s*(?P<high>\d{1,2}))?[ -]*(?:years?|yrs?|y/?o)\b|\bage[ds]?\W{1,3}(?:of\s+|about\s+|around\s+)?(?P<aged>\d{1,2})\b"
)
_BARE = re.compile(
    r"^\W*(?:about|around|approximately|approx\.?|~)?\s*(?P<low>\d{1,2})(?:\s*(?:-|–|—|to|and)\s*(?P<high>\d{1,2}))?\W*$"
)
_STAGES: Mapping[str, Interval] = {
    r"toddlers?|infant|baby": (0, 4),
    r"child|kid|schoolchild|little (?:girl|boy)|preteen": (3, 13),
    r"teen(?:age[rd]?|aged)?s?|adolescent": (12, 19),
    r"young adult": (17, 35),
    r"young(?:er)? (?:\w+ ){0,3}?(?:woman|man|person|male|female|lady|actor|actress|speaker)|youthful|young(?:er)?": (
        12,
        39,
    ),
    r"middle[- ]aged?": (36, 64),
    r"elderly|senior|aged (?:woman|man)|old(?:er)? (?:\w+ ){0,3}?(?:woman|man|person|lady|gentleman)|grandm\w+|grandf\w+": (
        55,
        110,
    ),
}
_COLOURS = ("black", "brown", "blonde", "red", "grey")
_LENGTHS = ("long", "short")


def ages_in(text: str, *, whole: bool = False) -> list[Interval]:
    """The ages that a text gives to somebody.

    Args:
        whole: the text is an age and nothing else, so that bare numbers and "adult" count.
    """
    found = [_decade(match) for match in _DECADE.finditer(text)]
    for match in _YEARS.finditer(text):
        low = int(match["low"] or match["aged"])
        found.append((low, int(match["high"] or low)))
    if whole and (bare := _BARE.match(text)):
        found.append((int(bare["low"]), int(bare["high"] or bare["low"])))
    if whole and re.search(r"(?i)\badult\b", text) and not found:
        found.append((18, 110))
    if not found:
        found += [ages for words, ages in _STAGES.items() if re.search(rf"(?i)\b(?:{words})\b", text)][:1]
    return found


def groups_in(text: str) -> set[str]:
    """The ethnic groups that a text names."""
    named = {name for name, pattern in _patterns(knowledge(), "ethnicity").items() if pattern.search(text)}
    return named - {"asian"} if any(name.endswith("_asian") for name in named) else named


def groups_agree(one: Collection[str], other: Collection[str]) -> bool:
    """Whether two sets of groups have a member in common, or members of which one includes the other."""
    wider = knowledge().words.overlaps
    return any(a == b or b in wider.get(a, ()) or a in wider.get(b, ()) for a in one for b in other)


def items_in(text: str) -> dict[str, str]:
    """Things on a person that a text affirms: the kind, and the words."""
    found: dict[str, str] = {}
    for name, pattern in _patterns(knowledge(), "items").items():
        for match in pattern.finditer(text):
            if not re.search(
                r"(?i)\b(?:no|not|without|lacks?|free of|removed|n['’]t)\W+(?:\w+\W+){0,3}$", text[: match.start()]
            ):
                found.setdefault(name, match[0])
    return {name: words for name, words in found.items() if not words.lower().startswith("clean")}


def hair_in(text: str) -> tuple[set[str], set[str]]:
    """Colours, and lengths (bald included), that a text gives to the hair."""
    words = " ".join(
        match[0] for match in re.finditer(r"(?i)(?:[\w-]+[ ,]+){0,4}(?:hair|locks|curls|braids|ponytail|bob)\b", text)
    )
    patterns = _patterns(knowledge(), "hair")
    colours = {name for name in _COLOURS if patterns[name].search(words)}
    lengths = {name for name in _LENGTHS if patterns[name].search(words)}
    return colours, lengths | ({"bald"} if patterns["bald"].search(text) else set())


def company_in(text: str) -> str:
    """Words that show more than one person; empty where there are none."""
    found = _patterns(knowledge(), "people")["several"].search(text)
    return found[0] if found else ""


def _decade(match: re.Match[str]) -> Interval:
    if (match["name"] or "").lower() == "teens":
        return 12, 19
    start = int(match["number"] or _TENS[match["name"].lower()])
    low, high = _PART.get((match["part"] or "").lower(), (0, 9))
    return start + low, start + high


@functools.lru_cache(maxsize=16)
def _patterns(known: Knowledge, section: str) -> Mapping[str, re.Pattern[str]]:
    return {name: any_of(words) for name, words in getattr(known.words, section).items()}
