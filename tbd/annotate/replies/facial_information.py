"""Step I: gender, age, ethnicity and appearance, from an object, a table, labelled lines or one line."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from tbd.annotate.replies.answer import without_chat
from tbd.annotate.replies.fields import key, keyed, known, plain, text_of
from tbd.annotate.replies.objects import last_object
from tbd.annotate.replies.sections import table_rows

_LABELS: Mapping[str, tuple[str, ...]] = {
    "gender": ("gender", "sex", "perceived gender", "apparent gender", "gender presentation", "gender identity"),
    "age_range": (
        *("age range", "age group", "age", "estimated age", "apparent age", "approximate age", "perceived age"),
        *("estimated age range", "approximate age range", "apparent age range", "age estimate", "age bracket"),
    ),
    "ethnicity": (
        *(
            "ethnicity",
            "race",
            "race/ethnicity",
            "ethnicity/race",
            "ethnic group",
            "ethnic background",
            "ethnic origin",
        ),
        *("apparent ethnicity", "perceived ethnicity", "racial appearance", "ancestry", "race or ethnicity"),
    ),
    "appearance": (
        *(
            "appearance",
            "physical appearance",
            "general appearance",
            "notable features",
            "distinctive features",
            "features",
        ),
        *("distinguishing features", "other features", "physical features", "description", "looks", "visible features"),
    ),
}
_PARTS = (
    *(
        "hair",
        "hairstyle",
        "hair style",
        "hair color",
        "hair colour",
        "hair length",
        "facial hair",
        "beard",
        "mustache",
    ),
    *("glasses", "eyewear", "eyes", "eye color", "eye colour", "skin", "skin tone", "complexion", "makeup", "build"),
    *(
        "clothes",
        "clothing",
        "attire",
        "outfit",
        "wearing",
        "top",
        "shirt",
        "accessories",
        "accessory",
        "jewelry",
        "hat",
    ),
)
"""What a model may tell apart instead of writing one line on appearance."""

_FIELD_OF = {key(label): name for name, labels in _LABELS.items() for label in labels}
_FIELD_OF |= {key(part): f"part {part}" for part in _PARTS}
_SPELLED = sorted({label for labels in _LABELS.values() for label in labels} | set(_PARTS), key=len, reverse=True)
_ANY_LABEL = "|".join(re.escape(label).replace(r"\ ", "[ _-]") for label in _SPELLED)
_LABEL = re.compile(
    rf"(?i)(?:(?<=[\s,;|*_#\-–•(（,。；，\"'])|^)(?P<label>{_ANY_LABEL})[ \t]*[*_\"'`]*[ \t]*(?:[:：=]|[ \t][–—-](?=[ \t])|\|)[ \t*_\"'`]*",
    re.MULTILINE,
)
_TITLE = re.compile(rf"(?im)^[ \t]*(?:#+|\*\*|\d[.)])[ \t*]*(?P<label>{_ANY_LABEL})[ \t*]*$\n*")
_OTHER_LABEL = re.compile(r"\n[ \t>*_#-]*(?:\d[.)][ \t]*)?[*_]*[A-Z][A-Za-z ]{1,30}[*_]*[:：]")
_WOMAN = re.compile(r"(?i)\b(?:woman|women|female|girl|lady|feminine)\b|女")
_MAN = re.compile(r"(?i)\b(?:man|men|male|boy|guy|gentleman|masculine)\b|(?<!女)男")


def read_facial_information(text: str) -> tuple[dict[str, Any], list[str]]:
    """``gender age_range ethnicity appearance`` of a reply; nothing when it has none of them."""
    found = last_object(text, _is_person)
    named = _gathered(_merged(found)) if found else _gathered(_table(text)) or _gathered(_labelled(text))
    if not named:
        return {}, []
    fields = {name: known(named.get(name)) for name in _LABELS}
    fields["gender"] = gender_of(fields["gender"])
    if fields["appearance"] is None:
        fields["appearance"] = _appearance(named)
    return fields, []


def gender_of(words: str | None) -> str | None:
    """``woman`` or ``man`` where the words say one of them; other words stay as they are."""
    if words is None:
        return None
    woman, man = _WOMAN.search(words), _MAN.search(words)
    if bool(woman) == bool(man):
        return words
    return "woman" if woman else "man"


def _is_person(value: Any) -> bool:
    return any(not name.startswith("part ") for name in _gathered(_merged(value)))


def _merged(value: Any) -> dict[str, Any]:
    """An object under normalised keys; a list of objects as one."""
    if isinstance(value, list):
        return {
            name: inner for one in reversed(value) if isinstance(one, Mapping) for name, inner in keyed(one).items()
        }
    return keyed(value) if isinstance(value, Mapping) else {}


def _gathered(entry: Mapping[str, Any]) -> dict[str, Any]:
    """An entry's values under the step's own names; of several for one name the first that is known."""
    named: dict[str, Any] = {}
    for name, value in entry.items():
        field = _FIELD_OF.get(name)
        if field and (field not in named or known(named[field]) is None):
            named[field] = value
    return named


def _table(text: str) -> dict[str, str]:
    """A table of two columns, or one with a row for the person."""
    if "|" not in text:
        return {}
    rows = list(table_rows(text))
    if rows and sum(column in _FIELD_OF for column in rows[0]) > 1:
        return dict(rows[-1])
    pairs = [list(row.values()) for row in rows] + [list(row) for row in rows[:1]]
    return {key(pair[0]): pair[1] for pair in pairs if len(pair) > 1 and key(pair[0]) in _FIELD_OF}


def _labelled(text: str) -> dict[str, str]:
    """``Gender: Female, Age: 30-40 years old`` on one line or several, and titles with text below."""
    body = _TITLE.sub(lambda title: f"{title['label']}: ", without_chat(text))
    matches = list(_LABEL.finditer(body))
    found: dict[str, str] = {}
    for match, following in pairwise([*matches, None]):
        assert match is not None
        value = body[match.end() : following.start() if following else len(body)]
        lines = _OTHER_LABEL.split(value.split("\n\n")[0])[0].splitlines()
        words = [plain(line) for line in lines if re.search(r"[^\W\d]", line) or line is lines[0]]
        found.setdefault(key(match["label"]), plain(" ".join(filter(None, words)).strip(" ,;(|-•*#_")))
    return found


def _appearance(named: Mapping[str, Any]) -> str | None:
    words = [_part(name.removeprefix("part "), value) for name, value in named.items() if name.startswith("part ")]
    return ", ".join(filter(None, words)) or None


def _part(name: str, value: Any) -> str:
    """``short brown`` of the hair -> ``short brown hair``; a bare yes is the thing itself, a no is nothing."""
    words = text_of(value)
    if value is True or words.lower().strip(". ") in ("yes", "true", "present", "visible"):
        return name
    if not known(words) or re.match(r"(?i)(?:no|false|absent|without)\b", words):
        return ""
    if affirmed := re.match(r"(?i)yes\W+(?P<how>\w.*)", words):
        return f"{affirmed['how'].strip(' .')} {name}"
    noun = name.split()[0] if name.startswith(("hair", "eye", "skin")) else ""
    return f"{words.strip(' .')} {noun}" if noun and not re.search(rf"(?i)\b{noun}", words) else words.strip(" .")
