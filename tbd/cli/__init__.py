"""The command line. ``main`` is the one place where a failure becomes a message and an exit code."""

from __future__ import annotations

import os
import shlex
import sys
import traceback
from collections.abc import Sequence
from typing import Any

import typer

from tbd import __version__
from tbd.cli import annotate, compare, demo, doctor, init, prepare, replicate, review
from tbd.cli import eval as evaluation
from tbd.cli.generate import generate_command
from tbd.cli.manifest import app as manifest_app
from tbd.cli.study import app as study_app
from tbd.cli.train import app as train_app
from tbd.cli.weights import app as weights_app
from tbd.console import document, hush, out, say
from tbd.errors import Interrupted, TbdError

app = typer.Typer(
    name="tbd",
    help="From raw talking-head clips to a publishable table. Exit codes: 0 done, 1 done but the answer is no, "
    "2 usage, 3 input unusable, 4 something is missing here, 70 bug, 130 interrupted, 143 terminated.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(value: bool) -> None:
    if value:
        out(f"tbd {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version."),
) -> None:
    """From raw talking-head clips to a publishable table."""


app.command()(annotate.annotate)
app.add_typer(manifest_app, name="manifest")
app.command()(prepare.prepare)
app.command()(review.review)
app.add_typer(train_app, name="train")
app.command("generate")(generate_command)
app.command("eval")(evaluation.eval_)
app.command()(compare.compare)
app.add_typer(study_app, name="study")
app.add_typer(weights_app, name="weights")
app.command()(doctor.doctor)
app.command()(init.init)
app.command()(demo.demo)
app.command()(replicate.replicate)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit code; nothing a user does ends in a traceback."""
    argv = list(sys.argv[1:] if argv is None else argv)
    as_json = "--json" in argv
    try:
        command = typer.main.get_command(app)
        asked = {"-h", "--help"} & {*argv}  # help would name a variable beside every option
        prefix = None if asked else "TBD"
        code = int(command.main(argv, prog_name="tbd", standalone_mode=False, auto_envvar_prefix=prefix) or 0)
        return _interrupted(argv) if code == Interrupted.exit_code else code  # which typer makes of Ctrl-C
    except TbdError as error:
        hush(False)
        error.next = error.next or f"tbd {argv[0] if argv else ''} --help".replace("  ", " ")
        return _report(error, as_json)
    except KeyboardInterrupt:
        return _interrupted(argv)
    except BrokenPipeError:  # the reader of our output went away, as `| head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:  # noqa: BLE001 (the outermost frame)
        if hasattr(error, "exit_code") and hasattr(error, "format_message"):  # typer's own usage errors
            return _usage(error, as_json)
        hush(False)
        return _bug(error, as_json)


def _report(error: TbdError, as_json: bool) -> int:
    if as_json:
        document(error.as_json())
    say(f"error: {error.message}\nnext:  {error.next}")
    return error.exit_code


def _interrupted(argv: Sequence[str]) -> int:
    hush(False)
    return _report(Interrupted("interrupted", next=shlex.join(["tbd", *argv])), "--json" in argv)


def _usage(error: Any, as_json: bool) -> int:
    context = getattr(error, "ctx", None)
    path = context.command_path if context else "tbd"
    words = error.format_message().replace(": Value error, ", ": ")  # pydantic's, which typer reads values with
    if as_json:
        document({"error": {"kind": "usage", "message": words, "next": f"{path} --help"}})
    if words:
        say(f"error: {words}\nnext:  {path} --help")
    return 2


def _bug(error: Exception, as_json: bool) -> int:
    words = f"{type(error).__name__}: {error}"
    if as_json:
        document({"error": {"kind": "bug", "message": words, "next": "report it with the lines on stderr"}})
    say(
        "".join(traceback.format_exception(error))
        + f"error: a bug in tbd: {words}\nnext:  report it with the lines above"
    )
    return 70
