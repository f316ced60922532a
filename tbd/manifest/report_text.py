"""``report.md``: the counts of a manifest in words and tables."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from tbd.manifest.prompt_levels import CLIP_LIMIT
from tbd.manifest.tables import markdown_table


def report_markdown(found: Mapping[str, Any], name: str) -> str:
    """The report for people, with tables that line up in a terminal too."""
    review, rows = found["review"], found["rows"]
    lead = f"{rows} clips · {review['approved']} approved · {review['waiting']} of {review['needs_review']} wait for review"
    parts = [f"# {name}", lead]
    for title, section in _SECTIONS.items():
        if text := section(found):
            parts += [f"## {title}", text]
    return "\n\n".join(parts) + "\n"


def _counted(head: tuple[str, str], key: str) -> Callable[[Mapping[str, Any]], str]:
    def section(found: Mapping[str, Any]) -> str:
        pairs = list(found[key].items())
        return (
            markdown_table((*head, "share"), [(*pair, _share(pair[1], found["rows"])) for pair in pairs])
            if pairs
            else ""
        )

    return section


def _review_section(found: Mapping[str, Any]) -> str:
    review = found["review"]
    names = ("needs_review", "waiting", "accepted", "edited", "rejected", "approved")
    rows = [(name.replace("_", " "), review[name], _share(review[name], found["rows"])) for name in names]
    people = [f"{name} {count}" for name, count in review["reviewers"].items()]
    return markdown_table(("", "clips", "share"), rows) + (f"\n\nReviewers: {', '.join(people)}" if people else "")


def _split_section(found: Mapping[str, Any]) -> str:
    sides, shared = _counted(("side", "clips"), "split")(found), list(found["overlaps"].items())
    return sides + ("\n\nWhat train and test share:\n\n" + markdown_table(("", "overlap"), shared) if shared else "")


def _emotion_section(found: Mapping[str, Any]) -> str:
    levels = sorted({level for counts in found["emotions"].values() for level in counts})
    rows = [(emotion, *(counts.get(level, "") for level in levels)) for emotion, counts in found["emotions"].items()]
    return markdown_table(("emotion", *(f"level {level}" for level in levels)), rows) if rows else ""


def _unit_section(found: Mapping[str, Any]) -> str:
    shares = found["action_units"]
    units = sorted({unit for levels in shares.values() for share in levels.values() for unit in share}, key=_number)
    rows = [
        (f"{emotion} {level}", *(_percent(share.get(unit)) for unit in units))
        for emotion, levels in shares.items()
        for level, share in levels.items()
    ]
    return "Per cent of clips.\n\n" + markdown_table(("emotion, level", *units), rows) if rows else ""


def _token_section(found: Mapping[str, Any]) -> str:
    kinds = {name: counts for name, counts in found["tokens"].items() if counts["rows"]}
    if not kinds:
        return ""
    numbers = ("rows", "min", "median", "p95", "max", "over_limit")
    table = markdown_table(
        ("prompt", *(name.replace("over_limit", f"over {CLIP_LIMIT}") for name in numbers)),
        [(name, *(counts[number] for number in numbers)) for name, counts in kinds.items()],
    )
    bins = sorted({bin for counts in kinds.values() for bin in counts["histogram"]}, key=_number)
    rows = [(bin, *(counts["histogram"].get(bin, 0) for counts in kinds.values())) for bin in bins]
    return table + "\n\n" + markdown_table(("tokens", *kinds), rows)


def _duplicate_section(found: Mapping[str, Any]) -> str:
    same = found["duplicates"]
    words = f"{same['texts']} different texts; {same['shared_texts']} came from more than one chain ({same['clips']} clips)."
    rows = [(group["coarse_prompt"], group["chains"]) for group in same["top"]]
    return words + ("\n\n" + markdown_table(("coarse prompt", "chains"), rows) if rows else "")


def _cost_section(found: Mapping[str, Any]) -> str:
    costs = found["costs"] or {}
    rows = [(name.replace("_", " "), _amount(value)) for name, value in costs.items()]
    return markdown_table(("", "total"), rows) if rows else ""


def _share(count: int, of: int) -> str:
    return f"{100 * count / of:.1f} %" if of else ""


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.0f}"


def _amount(value: float | None) -> str:
    if value is None:
        return "unknown"
    return f"{value:,.0f}" if math.isclose(value, round(value)) else f"{value:,.3g}" if value < 100 else f"{value:,.1f}"


def _number(text: str) -> tuple[int, str]:
    digits = text.partition("-")[0]
    return (int(digits) if digits.isdigit() else 999), text


def _people_section(found: Mapping[str, Any]) -> str:
    people = found.get("people")
    if not people:
        return ""
    rows = [
        (name, made["accept"], made["edit"], made["reject"], _amount(made["seconds"]))
        for name, made in people["decisions"].items()
    ]
    return markdown_table(("reviewer", "accept", "edit", "reject", "seconds a card"), rows)


def _agreement_section(found: Mapping[str, Any]) -> str:
    agreement = (found.get("people") or {}).get("agreement")
    if not agreement or not agreement["items"]:
        return ""
    names = {"percent": "agreeing pairs", "alpha": "Krippendorff's alpha", "ac1": "Gwet's AC1"}
    rows = [(words, *_interval(agreement[name])) for name, words in names.items()]
    lead = (
        f"{agreement['items']} texts judged by several people; {agreement['disagreements']} clips wait to be settled."
    )
    return f"{lead}\n\n" + markdown_table(("", "value", "95 % interval"), rows)


def _gate_section(found: Mapping[str, Any]) -> str:
    audit = (found.get("people") or {}).get("audit")
    if not audit or not audit["gates"]:
        return ""
    rows = [
        (
            gate["code"],
            gate["right"],
            gate["wrong"],
            gate["missed"],
            *_interval(gate["precision"]),
            *_interval(gate["recall"]),
        )
        for gate in audit["gates"]
    ]
    head = ("gate", "right", "wrong", "missed", "precision", "95 % interval", "recall", "95 % interval")
    return markdown_table(head, rows) + "\n\n" + "\n".join(f"- {note}" for note in audit["notes"])


def _interval(figure: Mapping[str, Any]) -> tuple[str, str]:
    if figure["value"] is None:
        return "unknown", ""
    known = figure["low"] is not None and figure["high"] is not None
    return f"{figure['value']:.2f}", f"{figure['low']:.2f} to {figure['high']:.2f}" if known else ""


_SECTIONS: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "Status": _counted(("status", "clips"), "status"),
    "Errors": _counted(("error", "clips"), "errors"),
    "Flags": _counted(("flag", "clips"), "flags"),
    "Review": _review_section,
    "Reviewers": _people_section,
    "Agreement": _agreement_section,
    "How good the gates are": _gate_section,
    "Split": _split_section,
    "Emotions": _emotion_section,
    "Action units": _unit_section,
    "Tokens": _token_section,
    "Same text from several chains": _duplicate_section,
    "Costs": _cost_section,
}
