"""Everything that can go wrong for a user, as one small tree.

    TbdError                 what failed, where, why, and the next command to type
      UsageError      2      the command line is wrong
        RecipeError   2      a recipe, or a setting of it, is wrong
      InputError      3      a file or a dataset cannot be used
      MissingError    4      the environment lacks weights, a GPU or a server
      Interrupted   130      Ctrl-C, after everything that was finished has been saved
      Terminated    143      SIGTERM, likewise

``tbd.cli.main`` is the one place that turns them into a message and an exit code. An exception that
is not in this tree is a bug and ends with code 70.
"""

from __future__ import annotations

from typing import ClassVar


class TbdError(Exception):
    """A failure that was foreseen: it carries words for people and a code for programs.

    Args:
        message: what failed, where and why, in one or a few lines.
        next: a command or an action that a person can take now, ready to paste.
    """

    kind: ClassVar[str] = "error"
    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, next: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.next = next

    def as_json(self) -> dict[str, dict[str, str | None]]:
        """The document that ``--json`` prints: ``{"error": {"kind", "message", "next"}}``."""
        return {"error": {"kind": self.kind, "message": self.message, "next": self.next}}


class UsageError(TbdError):
    """The command was called in a way that cannot work."""

    kind = "usage"
    exit_code = 2


class RecipeError(UsageError):
    """A recipe has mistakes; the message lists all of them."""

    kind = "recipe"


class InputError(TbdError):
    """A file, a folder or a value that the user gave cannot be used."""

    kind = "input"
    exit_code = 3


class MissingError(TbdError):
    """The machine lacks something: weights, a GPU, a server, disk space."""

    kind = "missing"
    exit_code = 4


class Interrupted(TbdError):
    """The user pressed Ctrl-C; finished work is saved."""

    kind = "interrupted"
    exit_code = 130


class Terminated(TbdError):
    """The system asked the process to end; finished work is saved."""

    kind = "terminated"
    exit_code = 143
