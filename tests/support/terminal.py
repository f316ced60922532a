"""The terminal review driven by keys, and its screen as lines of text."""

import asyncio
from contextlib import asynccontextmanager

from textual.events import Key

from tbd.manifest.reviews import FILE, read_events
from tbd.review.session import ReviewSession
from tbd.review.terminal import frame
from tbd.review.terminal.app import ReviewApp

BREATHS = 200
frame.HELD = 0.0  # tests press faster than people; the one about held keys sets it again


class Terminal:
    """A running app: ``await type("a", "x", "t")``, then look at ``screen()``."""

    def __init__(self, app, pilot):
        self.app, self.pilot = app, pilot

    async def type(self, *keys):
        await self.pilot.press(*keys)

    async def write(self, text):
        """Letters as fast as they come; all have arrived afterwards."""
        for letter in text[:-1]:
            self.app.post_message(Key("space" if letter == " " else letter, letter))
        await self.type("space" if text[-1] == " " else text[-1])

    async def until(self, condition):
        for _ in range(BREATHS):
            if condition():
                return
            await self.pilot.pause(0.02)
        raise AssertionError(f"never came true; the screen was\n{self.screen()}")

    def screen(self):
        return "\n".join(
            "".join(segment.text for segment in strip) for strip in self.app.screen._compositor.render_strips()
        )

    def words(self):
        """What is on the screen, without line ends and gaps."""
        return " ".join(self.screen().split())


@asynccontextmanager
async def opened(session, size=(80, 24)):
    app = ReviewApp(session, session.next())
    async with app.run_test(size=size, notifications=True) as pilot:
        await pilot.pause()
        yield Terminal(app, pilot)


def played(play, folder, *, size=(80, 24), reviewer="Ann", **options):
    """Run ``play(terminal, session)`` at a new session, and return what it returns."""

    async def run():
        with ReviewSession(folder, reviewer, **options) as session:
            async with opened(session, size) as terminal:
                return await play(terminal, session)

    return asyncio.run(run())


def done(folder):
    """(clip, action, reason) of every event of a manifest folder."""
    return [(event.clip_id, event.action, event.reason) for event in read_events(folder / FILE)]


def edits(folder):
    return [event.after for event in read_events(folder / FILE) if event.action == "edit"]
