"""Step II: the action units of an object, a table, a list, or running text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tbd.annotate.facs import ACTION_UNITS, Mention, find_action_unit, parse_action_units
from tbd.annotate.replies.answer import without_chat
from tbd.annotate.replies.fields import first_of, key, keyed, letter_of, plain, side_of, text_of
from tbd.annotate.replies.objects import documents, last_object
from tbd.annotate.replies.sections import Item, items, table_rows
from tbd.schema import ActionUnit, Side

CODES = (
    *(
        "au",
        "aus",
        "aunumber",
        "aucode",
        "auid",
        "auno",
        "actionunit",
        "actionunits",
        "actionunitnumber",
        "actionunitcode",
    ),
    *("facs", "facscode", "facsnumber", "facsau", "code", "unit", "number", "id"),
)
"""Keys and columns that hold a FACS code, the plainest first."""
_NAMES = ("name", "auname", "actionunitname", "facsname", "label", "title", "unitname", "action", "actionunit")
_DESCRIPTIONS = (
    "description",
    "desc",
    "visible",
    "appearance",
    "whatbecomesvisible",
    "details",
    "effect",
    "explanation",
)
_SIDES = ("side", "sides", "laterality", "location")
_LETTERS = ("intensity", "intensityletter", "intensitylevel", "level", "strength", "intensitycode", "grade", "score")

_ABSENT = re.compile(
    r"(?i)^\W*(?:absent|not (?:present|visible|active|activated|observed|shown)|inactive|none|0|false|no)\W*$"
)
_ELSEWHERE = re.compile(
    r"(?i)\b(?:unlike|rather than|instead of|as opposed to|(?:not|n't) (?:to be )?confused? with|compar\w+ (?:to|with)|versus|vs\.?|in contrast to|"
    r"different from|distinct from|similar to|such as in|as in|than|could be|might be|may be|often (?:seen|combined|paired) with|would (?:be|show|need)|"
    r"if|other people|some people|besides|except)\W+(?:\w+\W+){0,4}$"
)
"""Words before a code that only compare: it is not on this face."""


def read_action_units(text: str) -> tuple[dict[str, Any], list[str]]:
    """``action_units`` of a reply, and the entries that could not be read."""
    entries = _entries(text)
    if not entries:
        entries = [row for row in table_rows(text) if any(name in row for name in CODES)]
    lost: list[str] = []
    units: list[ActionUnit] = []
    for entry in entries:
        read = list(_from_entry(entry))
        units += read
        if not read and not _says_absent(entry) and text_of(entry):
            lost.append(text_of(entry))
    if not units:
        units, left = _from_text(text)
        lost = left if units else lost
    return ({"action_units": tuple(units)} if units else {}), lost


def codes_of(value: Any) -> list[Mention]:
    """The codes that a value of a code key or column holds: ``6``, ``12.0``, ``"AU 12"``, ``"L12C"``, ``"AU25/26"``."""
    if isinstance(value, list):
        return [mention for part in value for mention in codes_of(part)]
    if isinstance(value, bool) or value is None or isinstance(value, Mapping):
        return []
    if isinstance(value, float) and not value.is_integer():
        return []
    words = str(int(value)) if isinstance(value, float) else text_of(value)
    words = re.sub(r"(?<![\d.])(\d{1,3})\.0+(?!\d)", r"\1", plain(words))
    if re.match(r"(?i)^(?:[LRUTBM]?\d{1,3}[A-E]?)(?:\s*(?:[/+&,-]|and|or)\s*[LRUTBM]?\d{1,3}[A-E]?)*(?=$|\W)", words):
        words = f"AU{words}"
    return [mention for mention in parse_action_units(words) if mention.au < 1000]


def of_code(entry: Mapping[str, Any]) -> list[Mention]:
    """The codes of an entry with normalised keys: from the first key that holds any."""
    for name in CODES:
        if name in entry and (found := codes_of(entry[name])):
            return found
    return []


def _entries(text: str) -> list[Any]:
    """What the last object or array with action units lists; objects of one unit each, line by line, count as one list."""
    found = last_object(text, lambda value: bool(_listing(value)))
    listing = _listing(found)
    if listing and len(listing) == 1 and found is listing[0]:
        singles = [one for one in documents(text) if isinstance(one, Mapping) and of_code(keyed(one))]
        return singles or listing
    return listing


def _listing(value: Any) -> list[Any]:
    """The entries that a value holds, if it is a list of action units or has one."""
    if isinstance(value, list):
        return value if any(map(_is_entry, value)) else []
    if not isinstance(value, Mapping):
        return []
    for name, inner in value.items():
        if re.search(r"actionunit|^aus?$|^units$|^facs|^codes$", key(name)) and isinstance(inner, list | Mapping):
            listed = inner if isinstance(inner, list) else _by_code(inner) or [inner]
            if any(map(_is_entry, listed)):
                return listed
    return _by_code(value) or ([value] if _is_entry(value) else [])


def _by_code(value: Mapping[Any, Any]) -> list[Any]:
    """``{"AU6": {…}, "AU12": "the corners rise"}`` as entries."""
    if not value or not all(
        re.fullmatch(r"(?i)\s*(?:a[ud][\s_]?)?[LR]?\d{1,2}[A-E]?(?:\W.*)?", str(name)) for name in value
    ):
        return []
    if not any(re.match(r"(?i)\s*a[ud]", str(name)) for name in value) and not all(
        isinstance(v, Mapping) for v in value.values()
    ):
        return []
    return [
        ({"code": name} | dict(inner)) if isinstance(inner, Mapping) else {"code": name, "description": inner}
        for name, inner in value.items()
    ]


def _is_entry(value: Any) -> bool:
    if isinstance(value, Mapping):
        return bool(of_code(keyed(value)) or find_single(text_of(first_of(keyed(value), _NAMES))))
    return isinstance(value, str) and bool(parse_action_units(value))


def _says_absent(entry: Any) -> bool:
    if not isinstance(entry, Mapping):
        return any(mention.negated for mention in parse_action_units(text_of(entry)))
    own = keyed(entry)
    return (
        own.get("present") is False
        or any(mention.negated for mention in of_code(own))
        or _ABSENT.match(text_of(first_of(own, _LETTERS)) or "-") is not None
    )


def _from_entry(entry: Any) -> Iterator[ActionUnit]:
    if not isinstance(entry, Mapping):
        yield from _from_item(Item("", text_of(entry)))
        return
    own = keyed(entry)
    mentions, name = of_code(own), text_of(first_of(own, _NAMES))
    if _says_absent(entry) and any(mention.au for mention in mentions):
        return
    if not mentions and (single := find_single(name)) is not None:
        mentions = [Mention(single)]
    if len(mentions) > 1 or (mentions and not name):
        name = re.sub(r"(?i)^AU\s*\d+\w?\s*", "", name)
    names = _shared_out(name, mentions)
    intensity = text_of(first_of(own, _LETTERS))
    description = text_of(first_of(own, [name for name in _DESCRIPTIONS if own.get(name) != first_of(own, _NAMES)]))
    for mention, each in zip(mentions, names, strict=True):
        side, letter = side_of(text_of(first_of(own, _SIDES))), letter_of(intensity, cell=True)
        yield ActionUnit(mention.au, each, mention.side or side, letter or mention.intensity, description)


def find_single(name: str) -> int | None:
    """The one action unit that FACS calls so; None for everyday words and for several."""
    known = find_action_unit(name) if name else None
    facts = ACTION_UNITS.get(known.units[0]) if known and len(known.units) == 1 else None
    return known.units[0] if known and facts and key(facts.name) == key(known.correction or name) else None


def _shared_out(name: str, mentions: Sequence[Mention]) -> list[str]:
    """``Upper Lid Raiser and Lid Tightener`` of two codes: a name for each."""
    parts = [plain(part) for part in re.split(r"\s*(?:/|\+|&|,|;|\band\b|\bor\b)\s*", name) if part.strip()]
    fits = len(parts) == len(mentions) and (len(parts) == 1 or all(map(find_action_unit, parts)))
    return parts if fits else [name] * len(mentions)


def _from_text(text: str) -> tuple[list[ActionUnit], list[str]]:
    """List items that begin with codes; without any, official names; without those, all codes in the text."""
    listed = _regrouped(items(without_chat(text)))
    units, lost = [], []
    for item in listed:
        read = list(_from_item(item))
        units += read
        if not read and re.match(r"\(?\d", item.mark) and not any(m.negated for m in parse_action_units(item.head)):
            lost.append(item.text)
    if units:
        return units, lost
    named = [
        ActionUnit(au, _head_name(item.head), *_marks(item.text), _rest(item))
        for item in listed
        if (au := find_single(_head_name(item.head))) is not None
    ]
    if named:
        return named, []
    return [ActionUnit(m.au, _known_name(m.au), m.side, m.intensity, "") for m in _on_this_face(without_chat(text))], []


def _regrouped(listed: Sequence[Item]) -> list[Item]:
    """Bullets under a numbered or titled code describe it: ``1. AU6`` / ``- intensity: C``."""
    found: list[Item] = []
    for item in listed:
        detail = re.match(
            r"(?i)(?:side|intensity|level|description|visible|name|muscles?|appearance|effect|strength)\b\W*[:：=–-]",
            item.head,
        )
        if (
            found
            and _head_codes(found[-1].head)
            and not _head_codes(item.head)
            and (detail or (item.mark[:1] in "-*•" and found[-1].mark != item.mark))
        ):
            found[-1].below += [item.head, *item.below]
        else:
            found.append(Item(item.mark, item.head, list(item.below)))
    return found


_DESCRIBED = re.compile(
    r"(?i)\b(?:description|visible (?:change|effect|sign)s?|what becomes visible|appearance)\W*[:：]\s*"
)
_HEAD = re.compile(r"(?i)^(?:\W*(?:the|a|an|first|second|third|next|finally|facs|action units?(?=\W*a[ud]))\W+)*\W*$")


def _head_codes(head: str) -> list[Mention]:
    """The series of codes that a line begins with, or has in brackets behind a name: ``Cheek Raiser (AU6): …``."""
    mentions = parse_action_units(head)
    if not mentions:
        return _bare_codes(head)
    first = mentions[0]
    before = head[: first.start]
    named = re.fullmatch(r"\W*(?P<name>[A-Za-z][A-Za-z \-/']{2,40}?)\W*(?:[(（\[–—:-]|\bis\b)\W*", before)
    if not (_HEAD.match(before) or (named and find_action_unit(named["name"]))):
        return []
    series = [first]
    for mention in mentions[1:]:
        if re.fullmatch(r"\W{0,3}(?:and|or|&)?\W{0,3}", head[series[-1].end : mention.start]):
            series.append(mention)
        else:
            break
    return series


def _bare_codes(head: str) -> list[Mention]:
    """``6 - Cheek Raiser`` and ``Cheek Raiser (6)``: a number counts where it stands beside its own name."""
    match = re.match(r"^(?P<number>\d{1,2})\W{1,4}(?P<name>[A-Za-z][A-Za-z \-/']+)", head) or re.match(
        r"^(?P<name>[A-Za-z][A-Za-z \-/']+?)\W{0,2}[(（](?P<number>\d{1,2})[)）]", head
    )
    known = find_action_unit(re.split(r"\s[–—-]\s|[(:]", match["name"])[0]) if match else None
    if not match or not known or int(match["number"]) not in known.units:
        return []
    return [Mention(int(match["number"]), start=match.start("number"), end=match.end("number"))]


def _from_item(item: Item) -> Iterator[ActionUnit]:
    mentions = _head_codes(item.head)
    if not mentions or mentions[0].negated or _ABSENT.match(_rest(item) or "-"):
        return
    names = _shared_out(_head_name(item.head), mentions)
    side, letter = _marks(item.text)
    for mention, name in zip(mentions, names, strict=True):
        name = name or _known_name(mention.au)
        yield ActionUnit(mention.au, name, mention.side or side, mention.intensity or letter, _rest(item))


def _after_codes(head: str) -> tuple[str, str]:
    """A head without its codes: what stands before them and after them."""
    mentions = _head_codes(head)
    if not mentions:
        return "", head
    return head[: mentions[0].start], head[mentions[-1].end :]


def _head_name(head: str) -> str:
    before, after = _after_codes(head)
    if named := re.search(r"[A-Za-z][A-Za-z \-/']{2,}", before):
        return plain(named[0])
    name = re.split(r"[:：]|\s[–—-]\s|[)）]", after.strip(" *_()（）[]-–—:：,."))[0]
    name = plain(re.split(r"[(（,，]", name)[0].strip(" *_-–—."))
    return (
        ""
        if re.match(r"(?i)(?:is|are|was|were|and|shows?|side|intensity|both|left|right|which|with|a|the)\b", name)
        else name
    )


def _rest(item: Item) -> str:
    """The description: what follows the name."""
    _, after = _after_codes(item.head)
    name = _head_name(item.head)
    rest = after.partition(name)[2] if name and name in after else after
    words = plain(" ".join((rest.strip(" *_()（）[]-–—:：,."), *item.below)).strip(" *_-–—:："))
    return plain(re.sub(r"^[A-E][)）]?\W+(?=\w)|^[A-E]$", "", _DESCRIBED.split(words)[-1]))


def _marks(text: str) -> tuple[Side | None, str | None]:
    """Side and letter that an item speaks of."""
    mentions = parse_action_units(text)
    return side_of(text), letter_of(text[mentions[0].end :] if mentions else text)


def _on_this_face(text: str) -> list[Mention]:
    found: dict[int, Mention] = {}
    for mention in parse_action_units(text):
        if not mention.negated and not _ELSEWHERE.search(text[: mention.start][-60:]):
            found.setdefault(mention.au, mention)
    return list(found.values())


def _known_name(au: int) -> str:
    return ACTION_UNITS[au].name if au in ACTION_UNITS else ""
