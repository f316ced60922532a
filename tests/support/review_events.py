"""Reviews as a person makes them: events in the store of a manifest folder."""

from tbd.manifest import Event, text_hash
from tbd.manifest.reviews import FILE, add_event, open_reviews

_clock = iter(range(1_000_000_000, 2_000_000_000))


def record(folder, clip_id, action, *, reviewer="ann", before_hash="", after=None, undo_of=None, time=None):
    """Append one event and return its id."""
    when = float(next(_clock)) if time is None else time
    after = None if after is None else tuple(after)
    event = Event(0, clip_id, reviewer, when, action, before_hash, after, undo_of=undo_of)
    with open_reviews(folder / FILE) as store:
        return add_event(store, event)


def decide(folder, clip_id, action, prompts, *, reviewer="ann", after=None, time=None):
    """A decision about ``prompts``."""
    before_hash = text_hash(prompts)
    return record(folder, clip_id, action, reviewer=reviewer, before_hash=before_hash, after=after, time=time)


def undo(folder, clip_id, event_id, *, reviewer="ann"):
    """Take an event back."""
    return record(folder, clip_id, "undo", reviewer=reviewer, undo_of=event_id)
