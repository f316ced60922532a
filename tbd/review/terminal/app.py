"""The review in the terminal: keys become decisions, and a decision is on disk before the next card shows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from inspect import isawaitable
from typing import Any

from textual import work

from tbd.errors import TbdError
from tbd.hidden_characters import one_line, visible
from tbd.review import words
from tbd.review.card import Card, Receipt, Stale
from tbd.review.kinds import Verb
from tbd.review.terminal import facts
from tbd.review.terminal.dialogs import Answer, Ask, Dialog, Narrow, Ticks, Write
from tbd.review.terminal.frame import ReviewFrame
from tbd.review.terminal.player import play
from tbd.review.words import REASONS


class ReviewApp(ReviewFrame):
    """One reviewer in one session. The session is the caller's to close."""

    def put(self, dialog: Dialog[Answer], then: Callable[[Answer], object]) -> None:
        """Lay a question over the card; ``then`` gets the answer, unless the question is left."""

        async def answer(found: Answer | None) -> None:
            after = None if found is None else then(found)
            if isawaitable(after):
                await after

        self.push_screen(dialog, answer)

    def ask_reason(self, question: str, then: Callable[[str], object]) -> None:
        """Ask why something is rejected; ``then`` gets the reason."""
        reasons = {one.key: reason for reason, one in REASONS.items()}
        choices = {one.key: f"{reason}: {one.help}" for reason, one in REASONS.items()}
        self.put(Ask(question, choices), lambda key: then(reasons[key]))

    async def decide(self, action: Verb, **more: Any) -> None:
        """Decide about the card on the screen, with everything that goes with it."""
        view = self.view
        right = [*view.named, *(code for code, verdict in view.verdicts.items() if verdict == "right")]
        wrong = [code for code, verdict in view.verdicts.items() if verdict == "wrong"]
        more |= {"clips": view.chosen, "flags": right, "refuted": wrong, "note": view.note}
        await self._write(self.held, action, more)

    async def _write(self, card: Card, action: Verb, more: Mapping[str, Any]) -> None:
        """Write a decision, then show the next card; when something changed meanwhile, show the difference and ask."""
        try:
            receipt = self.session.decide(card, action, **more)
        except Stale as stale:
            self._too_late(action, more, stale)
        except TbdError as error:
            self.tell(error.message, "$text-error")
        else:
            self.tell(words.said(receipt, more.get("reason")))
            await self.lay_next()

    def _too_late(self, action: Verb, more: Mapping[str, Any], stale: Stale) -> None:
        current = stale.current
        clips = tuple(clip for clip in more["clips"] if clip in current.clips) or current.clips
        mine = {**more, "clips": clips}
        choices = {"k": "keep theirs and go on", "m": f"mine after all: {action}, as a new decision"}
        self.put(
            Ask("This card changed meanwhile", choices, facts.difference(stale)),
            lambda key: self.lay_next() if key == "k" else self._write(current, action, mine),
        )

    async def action_accept(self) -> None:
        """Take the text as it stands."""
        await self.decide(Verb.ACCEPT)

    async def action_skip(self) -> None:
        """Pass over the card for this session."""
        await self.decide(Verb.SKIP)

    async def action_again(self) -> None:
        """Ask for another text: a rejection for the text's sake."""
        await self.decide(Verb.REJECT, reason="text")

    def action_reject(self) -> None:
        """Ask why, then reject."""
        self.ask_reason("Reject: what is wrong?", lambda reason: self.decide(Verb.REJECT, reason=reason))

    async def action_undo(self) -> None:
        """Take the last decision back and show its card again."""
        await self._again(self.attempt(self.session.undo), "There is nothing to take back.")

    async def action_redo(self) -> None:
        """Make again what was taken back."""
        await self._again(self.attempt(self.session.redo), "There is nothing to make again.")

    async def _again(self, receipt: Receipt | None, nothing: str) -> None:
        if receipt is not None:
            await self.lay(self.session.card(receipt.clip_id))
        self.tell(words.said(receipt) if receipt else nothing)

    # ---- many at once

    def action_all_accept(self) -> None:
        """Accept all shown cards that have no heavier flag than one of this card's."""
        question = "Accept all cards shown here that have no heavier flag than …"
        self._ask_flag(question, lambda code: self._decide_all(code, "accept", None))

    def action_all_reject(self) -> None:
        """Reject all shown cards that share one flag with this one; asks which, and why."""
        self._ask_flag("Reject all cards shown here that have the flag …", self._reject_all, only=self._reject_all)

    def _ask_flag(
        self, question: str, then: Callable[[str], object], only: Callable[[str], object] | None = None
    ) -> None:
        """Ask for one of the card's flags; ``only`` takes the only one there is without a question."""
        shared = self.session.progress().by_flag
        codes = [one.code for one in self.held.folded if one.code in shared][:9]
        named = [f"{one_line(code)}: {words.count(shared[code], 'card')}" for code in codes]
        choices = {str(at): line for at, line in enumerate(named, 1)}
        if not codes:
            self.tell("this card has no flag that other cards could share")
        elif only and len(codes) == 1:
            only(codes[0])
        else:
            self.put(Ask(question, choices), lambda key: then(codes[int(key) - 1]))

    def _reject_all(self, code: str) -> None:
        number = words.count(self.session.progress().by_flag[code], "card")
        question = f"Reject {number} here with {one_line(code)}: what is wrong?"
        self.ask_reason(question, lambda reason: self._decide_all(code, "reject", reason))

    @work(thread=True, exclusive=True, group="bulk")
    def _decide_all(self, code: str, action: str, reason: str | None, worse: bool = False) -> None:
        """One decision about every shown card with a flag, with word of how far it is."""

        def tell(done: int, total: int) -> None:
            self.call_from_thread(self.tell, f"{done:,} of {total:,} clips …")

        try:
            receipt = self.session.decide_all(code, action, reason, worse=worse, tell=tell)
        except TbdError as error:
            self.call_from_thread(self.tell, error.message, "$text-error")
        else:
            self.call_from_thread(self._decided_all, code, receipt, reason)  # type: ignore[arg-type]

    async def _decided_all(self, code: str, receipt: Receipt, reason: str | None) -> None:
        await self.lay_next()
        self.tell(f"{words.said(receipt, reason)} u takes it back.")
        if receipt.worse:
            question = f"On {words.count(len(receipt.worse), 'clip')} another flag weighs as much as {one_line(code)}."
            choices = {"y": "accept them too, unseen", "n": "no, show them one by one"}
            self.put(
                Ask(question, choices),
                lambda key: self._decide_all(code, "accept", None, worse=True) if key == "y" else None,
            )

    # ---- editing

    async def action_edit(self) -> None:
        """Turn the prompts into editors."""
        self.editing = True
        await self.view.edit()
        self.refresh_bindings()

    async def action_save(self) -> None:
        """Decide for the text in the editors; the one that was there is then accepted."""
        await self.decide(Verb.EDIT, prompts=self.view.prompts)

    def action_reset(self) -> None:
        """The model's text again, where the cursor is."""
        self.view.reset()

    async def action_leave(self) -> None:
        """Leave the editors; what was typed is thrown away only after a question."""
        if self.view.changed:
            choices = {"s": "save it", "d": "throw it away"}
            self.put(Ask("Leave the edit?", choices), lambda key: self.action_save() if key == "s" else self._read())
        else:
            await self._read()

    async def _read(self) -> None:
        self.editing = False
        await self.view.leave()
        self.view.read()
        self.refresh_bindings()

    # ---- what goes with a decision

    def action_verdict(self, number: int) -> None:
        """A finding is right, wrong, or neither."""
        self.view.judge(number)

    def action_note(self) -> None:
        """Write a note."""
        self.put(Write("A note that goes with the decision", self.view.note), lambda note: self._keep(note=note))

    def action_split(self) -> None:
        """Choose which clips of the card the next decision applies to."""
        card = self.held
        own = {clip: [code for code, clips in card.only.items() if clip in clips] for clip in card.clips}
        choices = {clip: f"{clip}  {' '.join(own[clip])}" for clip in card.clips}
        question = "Which clips does the decision apply to?"
        self.put(Ticks(question, choices, self.view.chosen, "s", some=True), lambda clips: self._keep(chosen=clips))

    def action_missing(self) -> None:
        """Name the flags that this card should have and has not."""
        choices = {code: f"{code}  {meaning}" for code, meaning in self.session.missing(self.held).items()}
        if not choices:
            return self.tell("there is no other flag to name")
        question = "What is wrong here and no finding says?"
        return self.put(
            Ticks(question, choices, self.view.named, "m", some=False), lambda codes: self._keep(named=codes)
        )

    def _keep(self, **what: Any) -> None:
        """What goes with the next decision."""
        vars(self.view).update(what)
        self.view.describe()

    def action_bookmark(self) -> None:
        """Put a bookmark on the card, or take it away."""
        wanted = self.attempt(lambda: self.session.bookmark(self.held))
        if wanted is not None:
            self.card = self.view.card = replace(self.held, bookmarked=wanted)
            self.view.describe()

    # ---- moving about

    async def action_next(self) -> None:
        """Look at the next card without deciding this one; at the end the skipped ones come again."""
        if self.card is None:
            self.attempt(lambda: self.session.filter(dict(self.session.filters)))
        await self.lay_next()

    async def action_previous(self) -> None:
        """Back to what was shown before."""
        card = self.attempt(self.session.previous)
        if card is None:
            self.tell("this is the first card that was shown")
        else:
            await self.lay(card)

    def action_filter(self) -> None:
        """Choose which cards to show."""
        choices = [
            (key, value, words.count(rows, "row"))
            for key, values in self.session.choices().items()
            for value, rows in values.items()
        ]

        self.put(Narrow(self.session.filters, choices), self._filter)

    async def _filter(self, filters: Mapping[str, str]) -> None:
        self.attempt(lambda: self.session.filter(filters))
        await self.lay(self.attempt(self.session.next))

    def action_play(self) -> None:
        """Open the clip in the system's player, or say where it lies."""
        self.tell(play(self.held))

    def action_help(self) -> None:
        """Say what the keys do, and how to judge."""
        keys = "\n".join(f" {one.key:6} {one.help}" for one in words.KEYS.values())
        how = "A decision is on disk before the next card shows. q quits and seals; ^r puts the model's text back."
        self.push_screen(Ask("Keys", {}, visible(f"{keys}\n\n{how}\n\n{words.rubric()}")))

    action_keys = action_help

    async def action_finish(self) -> None:
        """End the review."""
        await self.action_quit()

    async def action_quit(self) -> None:
        """End; an edit that is not saved is asked about first."""
        if self.editing and self.view.changed:
            await self.action_leave()
        else:
            self.exit()
