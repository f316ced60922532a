"""A dataset that lays out its files in its own way: ``python own_layout.py FOLDER -o DIR``.

Here ``anna/anna-happy-2-take07.mp4``: person, emotion, level. A layout says how sure it is of a tree (``recognise``) and reads the
clips (``read``); what it cannot use it lists. One that others may need belongs into ``tbd/annotate/layouts/``, with a card.
"""

import re
import sys

from tbd.annotate.layouts import LAYOUTS
from tbd.annotate.layouts.base import Layout, Options, Problems, Reading, Tree, share, stem
from tbd.cli import main
from tbd.errors import UsageError
from tbd.labels import canonical
from tbd.schema import ERROR, INFO, Clip

NAME = re.compile(r"(?P<person>[a-z]+)-(?P<emotion>[a-z]+)-(?P<level>[123])-take(?P<take>\d+)")


def recognise(tree: Tree) -> float:
    """The share of the media whose names are of this form."""
    return share(tree.media, lambda path: NAME.fullmatch(stem(path)))


def read(tree: Tree, options: Options) -> Reading:
    """Every video of this form; the others are named as problems."""
    problems, clips = Problems(), []
    for path in tree.videos:
        match = NAME.fullmatch(stem(path))
        if match is None:
            problems.add(path, "not_ours", INFO, "passed over: not named person-emotion-level-take")
            continue
        try:
            emotion = canonical(match["emotion"])
        except UsageError as error:
            problems.add(path, "unknown_emotion", ERROR, error.message)
            continue
        clips.append(
            Clip(
                clip_id=f"studio_{stem(path)}",
                dataset="studio",
                subject=match["person"],
                emotion=emotion,
                emotion_raw=match["emotion"],
                file_name=path,
                level=int(match["level"]),
            )
        )
    return Reading(clips, problems.listed())


LAYOUTS["studio"] = Layout("studio", "anna/anna-happy-2-take07.mp4", recognise, read)

if __name__ == "__main__":
    sys.exit(main(["annotate", *sys.argv[1:], "--backend", "facs"]))
