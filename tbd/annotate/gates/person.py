"""Gates on who is seen: step I's own fields, and the prompts against them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tbd.annotate.facs.people import ages_in, company_in, groups_agree, groups_in, hair_in, items_in
from tbd.annotate.gates.prompts import named_prompts
from tbd.annotate.gates.table import flag
from tbd.schema import Annotation, Flag

AGE_SLACK = 4
"""Years between step I and a prompt that are still one age."""

_ODD = re.compile(r"[\[\]{}<>\\|^$=_~`@]|(.)\1{3,}|\d{3,}|\?\?|…|\.\.\.|https?:")
_LONGEST = {"gender": 30, "age_range": 60, "ethnicity": 60, "appearance": 200}
_GENDERS = re.compile(r"(?i)^(?:woman|man|non-?binary|androgynous|transgender(?: \w+)?|person|adult|child|girl|boy)$")
_HER, _HIS = re.compile(r"(?i)\b(?:her|she)\b"), re.compile(r"(?i)\b(?:his|he|him)\b")
_WOMAN = re.compile(r"(?i)\b(?:woman|female|girl|lady|actress)\b")
_MAN = re.compile(r"(?i)\b(?:man|male|boy|gentleman)\b")


def person_flags(annotation: Annotation) -> Iterator[Flag]:
    """Step I by itself (``cot`` only), gender in all prompts, the rest of the person against step I, and company."""
    prompts = named_prompts(annotation)
    yield from _gender(annotation, prompts)
    for where, text in prompts:
        if company := company_in(text):
            yield flag("several_people", f"one face is annotated, the {where} prompt has {company!r}", where, company)
    if annotation.mode == "cot" and annotation.step_outputs:
        yield from _fields(annotation)
        for where, text in prompts:
            yield from _age(annotation, where, text)
            yield from _ethnicity(annotation, where, text)
            yield from _looks(annotation, where, text)


def _fields(annotation: Annotation) -> Iterator[Flag]:
    for name, longest in _LONGEST.items():
        value = getattr(annotation, name)
        if value is None:
            continue
        letters = sum(map(str.isalpha, value))
        odd = _ODD.search(value) or len(value) > longest or (name != "age_range" and letters < 0.6 * len(value))
        odd = odd or (name == "gender" and not _GENDERS.match(value))
        odd = odd or (name == "age_range" and not ages_in(value, whole=True))
        odd = odd or (name == "ethnicity" and (len(value.split()) > 6 or any(map(str.isdigit, value))))
        if odd:
            yield flag("odd_field", f"step I gives {value[:60]!r} as {name.replace('_', ' ')}", "step1", value[:60])


def _gender(annotation: Annotation, prompts: list[tuple[str, str]]) -> Iterator[Flag]:
    """The person's nouns everywhere, pronouns where the right one is missing, and step I's own "her twenties"."""
    if annotation.gender not in ("woman", "man"):
        return
    own, other = (_WOMAN, _MAN) if annotation.gender == "woman" else (_MAN, _WOMAN)
    own_word, other_word = (_HER, _HIS) if annotation.gender == "woman" else (_HIS, _HER)
    if (match := other_word.search(annotation.age_range or "")) and not own_word.search(annotation.age_range or ""):
        yield flag("gender_mismatch", f"step I saw a {annotation.gender}, and says {match[0]!r}", "step1", match[0])
    for where, text in prompts:
        noun = None if own.search(text) else other.search(text)
        pronoun = None if own_word.search(text) or own.search(text) else other_word.search(text)
        if match := noun or pronoun:
            yield flag("gender_mismatch", f"step I saw a {annotation.gender}", where, match[0])
            return


def _age(annotation: Annotation, where: str, text: str) -> Iterator[Flag]:
    told = ages_in(text)
    seen = ages_in(annotation.age_range, whole=True) if annotation.age_range else []
    if told and annotation.age_range is None:
        yield flag("detail_invented", f"step I saw no age; the {where} prompt has one", where)
    elif told and seen and not any(_near(one, other) for one in told for other in seen):
        yield flag("age_mismatch", f"step I saw {annotation.age_range!r}", where)


def _near(one: tuple[int, int], other: tuple[int, int]) -> bool:
    return max(one[0], other[0]) - min(one[1], other[1]) <= AGE_SLACK


def _ethnicity(annotation: Annotation, where: str, text: str) -> Iterator[Flag]:
    told = groups_in(text)
    seen = groups_in(f"{annotation.ethnicity} person") if annotation.ethnicity else set()
    if told and annotation.ethnicity is None and not groups_in(_seen(annotation)):
        yield flag("detail_invented", f"step I saw no ethnicity; the {where} prompt has one", where)
    elif told and seen and not groups_agree(told, seen):
        yield flag("ethnicity_mismatch", f"step I saw {annotation.ethnicity!r}", where)


def _looks(annotation: Annotation, where: str, text: str) -> Iterator[Flag]:
    seen = _seen(annotation)
    known = items_in(seen)
    for kind, words in items_in(text).items():
        if kind not in known:
            yield flag("detail_invented", f"step I saw no {words}", where, words)
    for told, had in zip(hair_in(text), hair_in(seen), strict=True):
        if told and had and not told & had:
            yield flag(
                "detail_mismatch", f"hair is {' '.join(sorted(told))}; step I saw {' '.join(sorted(had))}", where
            )


def _seen(annotation: Annotation) -> str:
    """All that step I says, also outside its fields."""
    return f"{annotation.appearance or ''} {annotation.step_outputs[0]}"
