"""Gates on raw replies: refusals, loops, language, JSON that does not end. They know nothing of FACS."""

from __future__ import annotations

import functools
import json
import re
import unicodedata
from collections.abc import Iterator

from tbd.annotate.gates.table import flag
from tbd.annotate.replies import extract_answer, unread
from tbd.annotate.replies.objects import documents
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

_DECLINED = (
    r"(?:assist|compl(?:y|ete)|provid\w+|identif\w+|determin\w+|describ\w+|analy[sz]\w+|generat\w+|creat\w+|answer|fulfil\w*|process|discuss|engage"
    r"|continue|make|tell|see|view|access|recogni[sz]\w+|infer|guess|estimat\w+|give|offer|speculat\w+|do (?:this|that)|perform|produce|respond|write"
    r"|help(?! (?:but |\w+ing)| ?(?:smil|laugh|giggl|grin|but)))"
)
_REFUSAL = re.compile(
    r"(?i)\b(?:I|we)(?:['’]m| am|['’]re| are)? (?:very |so |really |truly )?(?:sorry\b(?! look)|apologi[sz]e|afraid (?:I|that|we)\b|must decline|refuse|decline"
    r"|not comfortable|don['’]t feel comfortable|(?:do not|don['’]t) have the ability)"
    rf"|\b(?:I|we)(?:['’]m| am)? (?:(?:can ?not|can['’]t|could not|won['’]t|will not|not able to|unable to|not allowed to|not permitted to|not going to|(?:should|must) not) (?:\w+ly )?{_DECLINED})"
    rf"|^\W*(?:sorry\b|apologies\b|(?:can ?not|can['’]t|unable to) {_DECLINED})"
    r"|\bas an? (?:AI|artificial|language model|large language)|\b(?:against|violates?) (?:my|our|the) (?:\w+ )?(?:guidelines|polic(?:y|ies)|programming|principles)"
    r"|\bit (?:is|would be|is not|wouldn['’]t be) (?:in)?appropriate (?:for me )?to\b"
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
    if refusal := refusal_in(text):
        found.append(flag("refused", "the model declined to answer", where, refusal))
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


def refusal_in(text: str) -> str:
    """The words by which a reply declines; empty when it answers.

    Of an answer in JSON, one field that "cannot be determined" is an unknown; most of them are a refusal.
    """
    told = extract_answer(text)
    fields = [value for document in documents(told) for value in _strings(document)]
    declined = [match[0] for value in fields if (match := _REFUSAL.search(value[:REFUSAL_REACH]))]
    if fields:
        return declined[0] if 2 * len(declined) > len(fields) else ""
    found = _REFUSAL.search(told.strip()[:REFUSAL_REACH])
    return found[0] if found else ""


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _strings(inner)


def reply_flags(annotation: Annotation) -> Iterator[Flag]:
    """``judge_reply`` for every step, truncation, and JSON that broke off."""
    for number, text in enumerate(annotation.step_outputs, 1):
        where = f"step{number}"
        yield from judge_reply(text, where)
        if annotation.mode == "cot" and number in (2, 3):
            for entry in unread(where, text)[:3]:
                yield flag("entry_unread", f"not read: {entry[:80]!r}", where, entry[:80])
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
