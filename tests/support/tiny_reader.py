"""A reader of drawn faces that was trained for seconds, where the usual one would be."""

from tbd.replicate import readers

RECIPE = readers.ReaderRecipe(people=8, each=20, held_out=4, looks=10, steps=100, batch=32)


def train(folder, monkeypatch):
    """Put it into a cache of its own; returns its file."""
    monkeypatch.setenv("TBD_CACHE", str(folder))
    monkeypatch.delenv("TBD_WEIGHTS", raising=False)
    return readers.ensure_reader(RECIPE)
