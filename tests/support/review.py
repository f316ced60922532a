"""Manifests to review: a few rows with known flags, and a whole MEAD of 281,400 rows."""

import json
import sqlite3
import zlib
from contextlib import closing
from types import SimpleNamespace

import pyarrow as pa
import pyarrow.compute as pc
from rows import PROMPTS, lines, row, sealed

from tbd.manifest.reader import MANIFEST
from tbd.manifest.rows import parse_rows
from tbd.manifest.schema import ROW_GROUP
from tbd.manifest.seal import write_manifest

MEAD = 281_400

WARN = {"code": "emotion_mismatch", "severity": 2, "message": "Anger is not asked for.", "where": "expression"}
FAIL = {"code": "levels_missing", "severity": 3, "message": "Two levels, not four.", "where": "step4", "quote": ""}
DARK = {"code": "dark", "severity": 1, "message": "The picture is dark.", "where": "media", "quote": ""}


def meanings(codes):
    """What gates say of flag codes, of code -> meaning."""
    return {code: SimpleNamespace(severity=2, meaning=words, advice=f"see to {code}") for code, words in codes.items()}


def flagged(clip_id, *findings, **changes):
    """A row with findings (``WARN``, ``FAIL``, ``DARK``), as annotation writes it; its text names the clip."""
    findings = [{"quote": ""} | finding for finding in findings]
    ordered = sorted(findings, key=lambda finding: -finding["severity"])
    prompts = changes.pop("prompts", [*PROMPTS[:3], f"The smile of {clip_id} grows."])
    flags = {
        "flags": [finding["code"] for finding in ordered],
        "severity": max((finding["severity"] for finding in findings), default=0),
    }
    return row(clip_id, prompts=prompts, **(flags | changes)) | {"findings": findings}


def manifest(folder, rows, *, journal=True, run=None):
    """Seal rows in a folder, with the journal that the rows came from, and with ``run.json``."""
    sealed(folder, rows)
    if journal:
        with closing(sqlite3.connect(folder / "journal.sqlite")) as connection, connection:
            connection.execute("CREATE TABLE row (clip_id TEXT PRIMARY KEY, body BLOB NOT NULL)")
            bodies = [(one["clip_id"], zlib.compress(json.dumps(one).encode(), 1)) for one in rows]
            connection.executemany("INSERT INTO row VALUES (?, ?)", bodies)
    if run is not None:
        (folder / "run.json").write_text(json.dumps(run))
    return folder


def small(folder, count=6):
    """``clip_0`` … all flagged: the even ones with a warning, ``clip_1``, ``clip_3`` … with an error."""
    return manifest(folder, [flagged(f"clip_{at:03}", FAIL if at % 2 else WARN) for at in range(count)])


def chain(folder, clips=28, **changes):
    """One flagged chain that many clips share, and one flagged clip of its own."""
    text = {"chain_id": "mead_M003_happiness_2", "prompts": PROMPTS} | changes
    shared = [flagged(f"mead_M003_front_happy_2_{at:03}", WARN, **text) for at in range(1, clips + 1)]
    return manifest(folder, [*shared, flagged("mead_W009_front_sad_1_001", FAIL)])


def large(folder, rows=MEAD, flagged=20_000):
    """A manifest the size of MEAD, every text its own; every ``rows / flagged``-th row is flagged."""
    folder.mkdir(parents=True, exist_ok=True)
    write_manifest(folder / MANIFEST, _tables(rows, flagged), split=None, decisions={})
    return folder


def _tables(rows, flagged):
    pattern = next(parse_rows(lines([row(f"x{at:06}") for at in range(ROW_GROUP)])))
    for start in range(0, rows, ROW_GROUP):
        numbers = range(start, min(start + ROW_GROUP, rows))
        marked = [number * flagged // rows != (number + 1) * flagged // rows for number in numbers]
        columns = {
            "clip_id": pa.array([f"mead_M{number // 1000:03}_front_happy_2_{number % 1000:03}" for number in numbers]),
            "flags": pa.array([["emotion_mismatch", "loop"][: number % 2 + 1] if bad else [] for number, bad in zip(numbers, marked, strict=True)]),
            "severity": pa.array([2 + number % 2 if bad else 0 for number, bad in zip(numbers, marked, strict=True)], pa.int8()),
            "prompts": pa.array([[*PROMPTS[:3], f"The smile {number} grows, holds and fades again."] for number in numbers]),
            "subject": pa.array([f"M{number // 6000:03}" for number in numbers]),
        }  # fmt: skip
        columns["chain_id"] = columns["clip_id"]
        columns["step_outputs"] = pa.array([[text * 3 for text in texts] for texts in columns["prompts"].to_pylist()])
        columns["fine_prompt"] = pc.binary_join(columns["prompts"], " ")
        table = pattern.slice(0, len(numbers))
        for name, column in columns.items():
            at = table.schema.get_field_index(name)
            table = table.set_column(at, table.schema.field(at), column.cast(table.schema.field(at).type))
        yield table


def clear(session, action="accept", **kwargs):
    """Decide every card; the first clips of the cards in the order they came."""
    shown = []
    while card := session.next():
        session.decide(card, action, **kwargs)
        shown.append(card.clip_id)
    return shown
