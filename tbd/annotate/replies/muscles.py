"""Step III: the muscles of an object, a table or a list, each with the action unit that it carries."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from tbd.annotate.facs import find_action_unit, find_muscle, parse_action_units
from tbd.annotate.facs.names import muscles_in
from tbd.annotate.replies.action_units import CODES, of_code
from tbd.annotate.replies.answer import without_chat
from tbd.annotate.replies.fields import first_of, key, keyed, plain, text_of
from tbd.annotate.replies.objects import documents, last_object
from tbd.annotate.replies.sections import Item, items, table_rows
from tbd.schema import Muscle

_NAMES = ("muscle", "musclename", "muscles", "musclenames", "facialmuscle", "name", "primarymuscle")
_ACTIONS = (
    "action",
    "actions",
    "function",
    "role",
    "effect",
    "description",
    "movement",
    "does",
    "whatitdoes",
    "contraction",
)


_BEYOND = re.compile(
    r"(?im)^\W*(?:(?:muscle )?synerg|(?:individual )?variation|individual differences|social|socio)\w*[^\n]{0,40}[:：]"
)
"""The sentences of step III that come after its muscles."""


def read_muscles(text: str) -> tuple[dict[str, Any], list[str]]:
    """``muscles`` of a reply, and the entries that could not be read."""
    entries: list[Any] = _entries(text) or [row for row in table_rows(text) if first_of(row, _NAMES)]
    lost: list[str] = []
    found: list[Muscle] = []
    for entry in entries:
        read = list(_from_entry(entry))
        found += read
        if not read and text_of(entry) and not any(m.negated for m in parse_action_units(text_of(entry))):
            lost.append(text_of(entry))
    if not found:
        found, lost = _from_text(_BEYOND.split(without_chat(text))[0])
    return ({"muscles": tuple(found)} if found else {}), lost


def _entries(text: str) -> list[Any]:
    found = last_object(text, lambda value: bool(_listing(value)))
    listing = _listing(found)
    if listing and len(listing) == 1 and found is listing[0]:
        return [one for one in documents(text) if _is_entry(one)] or listing
    return listing


def _listing(value: Any) -> list[Any]:
    if isinstance(value, list):
        return value if any(map(_is_entry, value)) else []
    if not isinstance(value, Mapping):
        return []
    for name, inner in value.items():
        if "muscle" in key(name) and isinstance(inner, list | Mapping):
            listed = inner if isinstance(inner, list) else _by_name(inner) or [inner]
            if any(map(_is_entry, listed)):
                return listed
    return _by_name(value) or ([value] if _is_entry(value) else [])


def _by_name(value: Mapping[Any, Any]) -> list[Any]:
    """``{"zygomaticus major": "pulls …"}`` and ``{"AU12": "zygomaticus major"}`` as entries."""
    entries: list[Any] = []
    for name, inner in value.items():
        fields = dict(inner) if isinstance(inner, Mapping) else {}
        if find_muscle(re.sub(r"\(.*?\)", "", str(name))):
            codes = parse_action_units(f"{name} {'' if fields else text_of(inner)}")
            entries.append({"code": f"AU{codes[0].au}" if codes else None, "action": inner} | fields | {"muscle": name})
        elif parse_action_units(str(name)):
            for one in inner if isinstance(inner, list) else [inner]:
                entries.append({"code": name} | (dict(one) if isinstance(one, Mapping) else {"line": f"{name}: {one}"}))
    return entries


def _is_entry(value: Any) -> bool:
    if isinstance(value, Mapping):
        own = keyed(value)
        name = text_of(first_of(own, _NAMES))
        return "line" in own or bool(name and (of_code(own) or find_muscle(name) or first_of(own, _ACTIONS)))
    return isinstance(value, str) and bool(find_muscle(value) or muscles_in(value) or parse_action_units(value))


def _from_entry(entry: Any) -> Iterator[Muscle]:
    if not isinstance(entry, Mapping):
        yield from _from_item(Item("-", text_of(entry)))
        return
    own = keyed(entry)
    if "line" in own:
        yield from _from_item(Item("-", text_of(own["line"])))
        return
    named = first_of(own, _NAMES)
    if isinstance(named, list) and any(isinstance(one, Mapping) for one in named):
        for one in named:
            yield from _from_entry({"code": first_of(own, CODES)} | dict(one) if isinstance(one, Mapping) else one)
        return
    codes = of_code(own) or parse_action_units(text_of(named))
    if any(mention.negated for mention in codes):
        return
    for name in map(text_of, named if isinstance(named, list) else [named]):
        bare = re.sub(r"\s*[(（]\s*AU[^)）]*[)）]", "", name).strip()
        for au in dict.fromkeys(mention.au for mention in codes) or (None,):
            if bare:
                yield Muscle(bare, au, text_of(first_of(own, _ACTIONS)))


def _from_text(text: str) -> tuple[list[Muscle], list[str]]:
    found: list[Muscle] = []
    lost: list[str] = []
    carried = ""
    for item in _regrouped(text):
        codes = re.match(r"^\W*(?:AU|Action Unit)\s*\w*\d[^:：]{0,60}[:：]?\s*$", item.head)
        read = (
            list(_from_item(Item(item.mark, f"{carried}: {item.head}", item.below)))
            if carried and not parse_action_units(item.head)
            else []
        )
        read = read or list(_from_item(item))
        if codes and not read and not item.below:
            carried = re.split(r"[:：]", item.head)[0]  # a title of its own; the muscles stand below it
            continue
        found += read
        denied = any(mention.negated for mention in parse_action_units(item.head))
        if not read and item.mark and not denied and parse_action_units(item.head):
            lost.append(item.text)
    return found, lost


def _regrouped(text: str) -> list[Item]:
    """A bullet that names neither a code nor a muscle says what the item above it does."""
    found: list[Item] = []
    for item in items(text):
        if (
            found
            and item.mark[:1] in ("-", "*", "•")
            and not parse_action_units(item.text)
            and not muscles_in(item.text)
            and parse_action_units(found[-1].head)
        ):
            found[-1].below += [item.head, *item.below]
        else:
            found.append(item)
    return found


def _from_item(item: Item) -> Iterator[Muscle]:
    """``Zygomaticus major (AU12): pulls …``, ``AU12: zygomaticus major – pulls …``, ``AU6 (Cheek Raiser): orbicularis …``."""
    mentions = parse_action_units(item.head) or parse_action_units(item.text)
    name = _name(item, bool(mentions))
    if not name or (mentions and mentions[0].negated):
        return
    action = _action(item.text, name)
    first = [
        m
        for m in mentions
        if m.start == mentions[0].start
        or mentions[0].au in m.alternatives
        or _joined(item.head, mentions[0].end, m.start)
    ]
    for au in dict.fromkeys(mention.au for mention in first if not mention.negated) or (None,):
        yield Muscle(name, au, action)


def _joined(text: str, end: int, start: int) -> bool:
    return re.fullmatch(r"[\sAU\d,+&/]*(?:and)?[\sAU\d,+&/]*", text[end:start]) is not None if end <= start else False


def _name(item: Item, coded: bool) -> str:
    """The muscle's name as it stands: the head of the line, behind the code, or the first known one in the line."""
    head = re.sub(r"^\W*(?:(?:AU|AD|Action Units?)[\s_-]*\w{1,4}(?:\s*[/+&,]\s*(?:AU)?\s*\d+)*\s*)+", "", item.head)
    behind = head != item.head
    for part in re.split(r"[:：]|\s[–—-]+>?\s|→", re.sub(r"^\W*[(（][^)）]*[)）]", "", head) if behind else head):
        words = plain(re.split(r"[(（]", part.strip(" *_.,-–—"))[0].strip(" *_.,-–—"))
        if find_muscle(words):
            return words
        if words and not behind and coded and not find_action_unit(words) and len(words.split()) <= 5:
            known = muscles_in(words)
            return known[0][0] if known else words
        if words and muscles_in(words):
            break
    inside = muscles_in(item.text)
    return inside[0][0] if inside and (coded or item.mark) else ""


def _action(text: str, name: str) -> str:
    """What follows the name: behind a colon, a dash, or the words themselves."""
    rest = text.partition(name)[2]
    rest = re.sub(r"^\W*(?:[(（][^)）]*[)）])+", "", rest).strip(" *_:：-–—,.>→")
    rest = re.sub(r"^(?:AU\s*\d+\w?)(?:\W+|$)", "", rest)
    return plain(rest) or plain(text.partition(":")[2])
