"""Whole chains as a person judges them: ours (``data/chains.toml``), or a file of the same kind in JSON.

``python tests/support/chain_cases.py [FILE.json]`` prints how well the gates agree with that person, by kind of fault and
by gate. FILE holds ``[{name, mode, emotion, level, steps, reject}]``.
"""

from __future__ import annotations

import json
import sys
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from tbd.annotate.facs import ACTION_UNITS, parse_action_units
from tbd.annotate.gates import check, judge_reply
from tbd.annotate.replies import read
from tbd.schema import WARNING, Annotation, Flag

DATA = tomllib.loads((Path(__file__).parents[1] / "annotate/data/chains.toml").read_text(encoding="utf-8"))
CASES = DATA["chain"]


@dataclass(frozen=True)
class Verdict:
    """A chain: whether a person would reject it, and the gates that speak against it."""

    kind: str
    reject: bool
    gates: frozenset[str]


def replies(told):
    """The four replies (or the one) of a chain, as JSON."""
    if told.get("mode") == "describe":
        return {"describe": {"prompt": told["scene"]}}
    names = ("gender", "age_range", "ethnicity", "appearance")
    units = []
    for text in told["units"]:
        code, _, words = text.partition(" ")
        (mention,) = parse_action_units(f"AU{code}")
        name = ACTION_UNITS[mention.au].name
        units.append(
            {
                "au": mention.au,
                "name": name,
                "side": mention.side or "both",
                "intensity": mention.intensity or "",
                "description": words,
            }
        )
    muscles = []
    for text in told["muscles"]:
        name, _, rest = text.partition(" = ")
        au, _, action = rest.partition(" ")
        muscles.append({"name": name, "au": int(au), "action": action})
    return {
        "step1": dict(zip(names, told["person"], strict=True)),
        "step2": {"action_units": units},
        "step3": {"muscles": muscles, "synergies": "All act together.", "variation": "Faces differ.", "social": "It depends."},
        "step4": {"scene": told["scene"], "expression": told["expression"], "muscles": told["text_muscles"], "dynamics": told["dynamics"]},
    }  # fmt: skip


def judged(case) -> list[Flag]:
    """The flags of one of our chains, none of whose replies would be asked for again."""
    told = DATA["base"][case["base"]] | case
    row = Annotation(told.get("mode", "cot"), told["emotion"], told.get("level"))
    flags, again = _flags(row, replies(told))
    assert not again, "a reply of these would be asked for again"
    return flags


def _flags(row: Annotation, told) -> tuple[list[Flag], list[Flag]]:
    again: list[Flag] = []
    for step, reply in told.items():
        text = json.dumps(reply)
        again += judge_reply(text)
        row = replace(row, **read(step, text), step_outputs=(*row.step_outputs, text))
    return check(row), again


def verdicts(file: Path | None = None) -> Iterator[Verdict]:
    """Ours, or those of a file."""
    if file is None:
        for case in CASES:
            yield Verdict(
                case["kind"] if case.get("flags") else "(good)", bool(case.get("flags")), _grave(judged(case))
            )
        return
    for case in json.loads(file.read_text(encoding="utf-8")):
        steps = {f"step{number}": step for number, step in enumerate(case["steps"], 1)}
        flags, again = _flags(Annotation(case["mode"], case["emotion"], case["level"]), steps)
        yield Verdict(case["name"] if case["reject"] else "(good)", case["reject"], _grave([*flags, *again]))


def _grave(flags: list[Flag]) -> frozenset[str]:
    return frozenset(flag.code for flag in flags if flag.severity >= WARNING)


def table(found: list[Verdict]) -> list[str]:
    """Lines: recall by kind of fault, precision by gate, both of all together."""
    kinds, gates = defaultdict(list), defaultdict(list)
    for one in found:
        kinds[one.kind].append(bool(one.gates))
        for gate in one.gates:
            gates[gate].append(one.reject)
    caught = sum(bool(one.gates) and one.reject for one in found)
    spoke, bad = sum(bool(one.gates) for one in found), sum(one.reject for one in found)
    lines = [f"{'kind of fault':58} chains caught recall"]
    for kind, hits in sorted(kinds.items()):
        share = f"{sum(hits) / len(hits):6.0%}" if kind != "(good)" else f"{sum(hits)} false alarms"
        lines.append(f"{kind:58} {len(hits):6} {sum(hits):6} {share}")
    lines += ["", f"{'gate':58}  spoke right  precision"]
    lines += [
        f"{gate:58} {len(hits):6} {sum(hits):5} {sum(hits) / len(hits):10.0%}" for gate, hits in sorted(gates.items())
    ]
    return [
        *lines,
        "",
        f"all: {len(found)} chains, {bad} to be rejected; precision {caught / max(spoke, 1):.1%}, recall {caught / max(bad, 1):.1%}",
    ]


if __name__ == "__main__":
    sys.stdout.write("\n".join([*table(list(verdicts(Path(sys.argv[1]) if len(sys.argv) > 1 else None))), ""]))
