"""Gates on raw replies: refusals, loops, language, JSON that does not end. They know nothing of FACS."""

from __future__ import annotations

import functools
import json
import re
import unicodedata
from collections.abc import Iterator

from tbd.annotate.gates.table import flag
from tbd.schema import Annotation, Flag

REFUSAL_REACH = 200
"""Characters in which a refusal shows; later, such words belong to a description."""
NON_LATIN_SHARE = 0.02
"""Share of letters from other scripts above which a text is not English."""
LOOP_LENGTH, LOOP_TIMES = 20, 4
"""A loop is a run of at most 20 words, four times in a row."""
DISTINCT_SHARE = 0.5
"""Share of different three-word runs below which a text goes in circles."""
WHITE_SHARE = 0.5
"""Share of white space above which a reply is a white-space loop."""
LONG = 40
"""Words, or characters of white space, from which shares mean something."""

_REFUSAL = re.compile(
    r"(?i)\bI(?:['’]m| am) (?:very |so |really )?sorry\b|\bI apologi[sz]e\b|\bI (?:can ?not|can['’]t|won['’]t|will not|must decline)\b"
    r"|\bI(?:['’]m| am) (?:not able|unable)\b|\bas an? (?:AI|artificial|language model)|\b(?:can ?not|can['’]t|unable to) "
    r"(?:assist|help|comply|fulfil|provide|identify (?:people|persons?|individuals?|the (?:person|individual)|who))"
    r"|抱歉|对不起|對不起|无法|無法|不能识别|我不能|作为(?:一个|一名)?(?:AI|人工智能)"
)
_ENGLISH = re.compile(r"(?i)\b(?:the|and|of|with|is|are|to|her|his|while|that)\b")
_OTHER = re.compile(
    r"(?i)\b(?:und|der|das|mit|eine|einer|ist|el|los|las|una|con|que|les|une|avec|est|dans|della|che|il|uma|com|som|och)\b"
)
_ESCAPE = re.compile(r"\\u([0-9a-fA-F]{4})")


def judge_reply(text: str, where: str = "") -> list[Flag]:
    """What is wrong with one raw reply, whatever it was asked for.

    Codes: ``empty_reply refused wrong_language repetition whitespace_loop bad_characters``; the chain
    asks again on some of them. Pure, and well under a millisecond for a few hundred words.
    """
    if not re.search(r"\w", text):
        return [flag("empty_reply", "the reply holds no word", where)]
    found = []
    if refusal := _REFUSAL.search(text[:REFUSAL_REACH]):
        found.append(flag("refused", "the model declined to answer", where, refusal[0]))
    if language := foreign(text):
        found.append(flag("wrong_language", "the reply is not in English", where, language))
    if loop := loop_in(text):
        found.append(flag("repetition", "the reply goes in circles", where, loop))
    white = sum(map(str.isspace, text))
    if white > max(LONG, WHITE_SHARE * len(text)):
        found.append(flag("whitespace_loop", f"{white} of {len(text)} characters are white space", where))
    if bad := bad_characters(text):
        found.append(flag("bad_characters", f"characters that no text should hold: {bad}", where))
    return found


def reply_flags(annotation: Annotation) -> Iterator[Flag]:
    """``judge_reply`` for every step, truncation, and JSON that broke off."""
    for number, text in enumerate(annotation.step_outputs, 1):
        where = f"step{number}"
        yield from judge_reply(text, where)
        if _breaks_off(text):
            yield flag("broken_json", "the reply begins as JSON and does not end as such", where)
    for index in annotation.truncated:
        yield flag("truncated", "the reply ran into its token limit", f"step{index + 1}")


def foreign(text: str) -> str:
    """The first letters that are not Latin, or words of another language; empty for English."""
    text = _ESCAPE.sub(lambda match: chr(int(match[1], 16)), text)
    if not text.isascii():
        letters = [letter for letter in text if letter.isalpha()]
        others = [letter for letter in letters if not _is_latin(letter)]
        if len(others) > NON_LATIN_SHARE * len(letters):
            return "".join(others[:10])
    words = _OTHER.findall(text)
    return " ".join(words[:3]) if len(words) > 2 + len(_ENGLISH.findall(text)) else ""


def loop_in(text: str) -> str:
    """The words that a text repeats without end; empty when it does not.

    Found are runs of up to 20 words that come four times in a row, and longer texts in which fewer
    than half of the three-word runs are different.
    """
    words = re.findall(r"\w+", text.lower())
    last: dict[tuple[str, ...], int] = {}
    period = run = 0
    for index in range(len(words) - 2):
        three = tuple(words[index : index + 3])
        back = index - last.get(three, -len(words))
        last[three] = index
        run = run + 1 if back == period else 1
        period = back
        if period <= LOOP_LENGTH and run > (LOOP_TIMES - 1) * period - 3:
            return " ".join(words[index + 3 - period : index + 3])
    circles = len(words) >= LONG and len(last) < DISTINCT_SHARE * (len(words) - 2)
    return " ".join(words[-5:]) if circles else ""


def bad_characters(text: str) -> str:
    """Names of control characters and lone surrogates in a text; empty when there are none."""
    if text.isascii() and text.isprintable():
        return ""
    bad = {
        letter for letter in text if unicodedata.category(letter) in ("Cc", "Cs", "Co", "Cn") and letter not in "\t\n\r"
    }
    return " ".join(sorted(f"U+{ord(letter):04X}" for letter in bad)[:5])


@functools.lru_cache(maxsize=4096)
def _is_latin(letter: str) -> bool:
    return unicodedata.name(letter, "").startswith(("LATIN", "MODIFIER", "FEMININE", "MASCULINE"))


def _breaks_off(text: str) -> bool:
    begin = re.match(r"\s*(?:```(?:json)?\s*)?(?=\{)", text)
    if not begin:
        return False
    try:
        json.JSONDecoder().raw_decode(text, begin.end())
    except (ValueError, RecursionError):
        return True
    return False
