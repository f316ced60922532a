"""Cards as hard as they come: four long prompts as in the paper's Fig. 4, and twenty findings on each."""

import json

from media import numbered, video
from review import flagged, manifest

from tbd.annotate.gates import GATES

FIG4 = [
    "A young East Asian woman in her twenties with long black hair and a dark collared jacket, is speaking angrily.",
    "Her face shows Intense Anger: the brows are pulled down and together, the lids are tense.",
    "The corrugator supercilii draws the brows together, the orbicularis oris presses the lips.",
    "The anger rises quickly as she begins to speak, peaks on the stressed words and ebbs away at the end.",
]
UNITS = [
    {"au": 4, "name": "Brow Lowerer", "intensity": "D", "description": "the brows are drawn down and together"},
    {"au": 7, "name": "Lid Tightener", "intensity": "C", "description": "the lids are tight"},
    {"au": 23, "name": "Lip Tightener", "intensity": "C", "description": "the lips are pressed"},
]
MUSCLES = [
    {"muscle": "corrugator supercilii", "au": 4, "action": "draws the brows together"},
    {"muscle": "orbicularis oculi", "au": 7, "action": "narrows the eyes"},
    {"muscle": "orbicularis oris", "au": 23, "action": "presses the lips together"},
]
PERSON = {"gender": "woman", "age_range": "twenties", "ethnicity": "East Asian", "appearance": "long black hair"}
REPLIES = [
    *(json.dumps(one) for one in (PERSON, {"action_units": UNITS}, {"muscles": MUSCLES})),
    f"Coarse: {FIG4[0]}\nFine: {' '.join(FIG4[1:])}",
]
PLACES = ("expression", "muscles", "dynamics", "scene", "step2", "step3")
QUOTES = {
    "expression": "Intense Anger",
    "muscles": "corrugator supercilii",
    "dynamics": "rises quickly",
    "scene": "jacket",
}


def findings(count):
    """So many findings: a third of them share two codes, every third is a note, half of them are in a prompt."""
    codes = [code for code, gate in GATES.items() if gate.severity > 1][: count // 2 + 1]
    notes = [code for code, gate in GATES.items() if gate.severity == 1][: count // 4 + 1]
    found = []
    for at in range(count):
        code = notes[at % len(notes)] if at % 3 == 2 else codes[at % 2] if at % 3 == 1 else codes[at // 2]
        where = PLACES[at % len(PLACES)]
        words = f"The {where} says something that the gate {code.replace('_', ' ')} looks at twice."
        found.append(
            {
                "code": code,
                "severity": GATES[code].severity,
                "message": words,
                "where": where,
                "quote": QUOTES.get(where, ""),
            }
        )
    return found


def hard(folder, clips=36, count=20, drawn=1):
    """A manifest of hard cards; the first ``drawn`` have a clip that can be looked at."""
    folder.mkdir(parents=True, exist_ok=True)
    for at in range(drawn):
        video(folder / f"{at}.mp4", [numbered(number, (256, 256)) for number in range(25)], size=(256, 256))
    rows = [
        flagged(
            f"mead_M003_front_angry_3_{at:03}",
            *findings(count),
            prompts=[*FIG4[:3], f"{FIG4[3][:-1]} of clip {at}."],
            step_outputs=REPLIES,
            emotion="anger",
            level=3,
            intensity="intense",
            file_name=f"{at}.mp4",
            crop_box=None,
            reference_frame=12,
        )
        for at in range(clips)
    ]
    return manifest(folder / "m", rows, run={"roots": {"mead": str(folder)}})
