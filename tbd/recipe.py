"""Recipes: TOML files that fill pydantic models, with ``--set key=value`` on top.

A recipe is checked as a whole before anything runs, and every mistake is reported at once. Keys
that cannot change a result (batch sizes, time-outs) are declared with ``operational()``; they stay
out of the fingerprint.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import NoneType
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from tbd import workspace
from tbd.errors import RecipeError


class Recipe(BaseModel):
    """Base of every recipe section: unknown keys are mistakes, values cannot change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _none(cls, given: Any) -> Any:
        """TOML has no None: a key that may be None takes the word ``none`` for it."""
        if not isinstance(given, Mapping):
            return given
        empty = {key for key, field in cls.model_fields.items() if NoneType in get_args(field.annotation)}
        return {key: None if key in empty and value == "none" else value for key, value in given.items()}


R = TypeVar("R", bound=Recipe)


def operational(default: Any, **kwargs: Any) -> Any:
    """A recipe field that changes how a run goes, never what it writes."""
    return Field(default, json_schema_extra={"operational": True}, **kwargs)


def load(
    model: type[R],
    stage: str,
    name: str | None = None,
    overrides: Iterable[str] = (),
    *,
    on_top: Mapping[str, Any] | None = None,
) -> R:
    """Read a recipe by name or by path and apply ``key=value`` overrides.

    Args:
        model: the pydantic model to fill.
        stage: ``annotate``, ``evaluate`` or ``train``: the folder whose ``recipes/`` is searched.
        name: ``paper`` finds ``<stage>/recipes/paper.toml``; anything that ends in ``.toml`` is a
            path; None takes the defaults.
        overrides: ``chain.mode=label``; values are read as TOML, and as text when they are not.
        on_top: sections laid over the file, under the overrides.

    Raises:
        RecipeError: the file cannot be read, or has mistakes; all of them are listed.
    """
    document = _laid_over(read(stage, name) if name else {}, on_top or {})
    for override in overrides:
        _override(document, override)
    try:
        return model.model_validate(document)
    except ValidationError as error:
        mistakes = [_mistake(model, part) for part in error.errors()]
        source = name or "the default recipe with --set"
        raise RecipeError(
            f"{source}: {len(mistakes)} mistake{'s' if len(mistakes) > 1 else ''}\n"
            + "\n".join(f"  {mistake}" for mistake in mistakes),
            next=f"mend {source}; the shipped recipes in {workspace.shipped() / stage / 'recipes'} list every key",
        ) from None


def read(stage: str, name: str) -> dict[str, Any]:
    """The plain TOML document behind a recipe name or path.

    Raises:
        RecipeError: there is no such file, or it is not TOML (the message has line and column).
    """
    folder = f"{stage}/recipes"
    path = Path(name) if name.endswith(".toml") else None
    if path is None:
        names = recipes(stage)
        if name not in names:
            close = difflib.get_close_matches(name, names, 1)
            hint = f"; did you mean {close[0]!r}?" if close else f"; there are: {', '.join(names)}"
            raise RecipeError(
                f"no recipe {name!r} in {folder}/{hint}", next=f"--recipe {(close or names or ['FILE'])[0]}"
            )
        path = workspace.find(f"{folder}/{name}.toml")
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RecipeError(f"{path}: cannot be read ({error.strerror})") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path}: not TOML: {error}") from None


def recipes(stage: str) -> list[str]:
    """Names of the recipes of a stage, the user's and the shipped ones."""
    roots = (Path.cwd(), workspace.shipped())
    return sorted({path.stem for root in roots for path in (root / stage / "recipes").glob("*.toml")})


def essence(recipe: BaseModel) -> dict[str, Any]:
    """The recipe as plain values, without its operational keys: what a result depends on."""
    kept: dict[str, Any] = {}
    for key, field in type(recipe).model_fields.items():
        extra = field.json_schema_extra
        if isinstance(extra, dict) and extra.get("operational"):
            continue
        value = getattr(recipe, key)
        if not isinstance(value, BaseModel):
            kept[key] = value
        elif section := essence(value):  # a section without lasting keys leaves no trace
            kept[key] = section
    plain: dict[str, Any] = json.loads(json.dumps(kept))  # tuples as a file would hold them
    return plain


def completed(model: type[Recipe], recorded: Mapping[str, Any]) -> dict[str, Any]:
    """An essence that an older version recorded, with the keys that it did not know at their defaults.

    So a run from before a key existed goes on with the key's default, and any other value of it is a change.
    """
    return _laid_over(essence(model()), recorded)


def digest(document: Any) -> str:
    """sha256 of a JSON document in canonical form, as 64 hex digits."""
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def difference(old: Mapping[str, Any], new: Mapping[str, Any], prefix: str = "") -> list[str]:
    """The keys in which two essences differ, one readable line each: ``chain.mode: cot -> label``."""
    lines = []
    for key in sorted(old.keys() | new.keys()):
        before, after = old.get(key), new.get(key)
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            lines += difference(before, after, f"{prefix}{key}.")
        elif before != after:
            lines.append(f"{prefix}{key}: {before} -> {after}")
    return lines


def _laid_over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        under = below.get(key)
        merged[key] = _laid_over(under, value) if isinstance(under, Mapping) and isinstance(value, Mapping) else value
    return merged


def _override(document: dict[str, Any], override: str) -> None:
    key, sign, text = override.partition("=")
    if not sign or not key.strip():
        raise RecipeError(f"--set {override}: not of the form key=value", next="--set chain.mode=label")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text
    *path, last = key.strip().split(".")
    for part in path:
        document = document.setdefault(part, {})
        if not isinstance(document, dict):
            raise RecipeError(f"--set {override}: {part!r} is a value, not a section")
    document[last] = value


def _mistake(model: type[BaseModel], error: Any) -> str:
    place = ".".join(map(str, error["loc"]))
    if error["type"] != "extra_forbidden":
        given = error["input"]
        shown = "" if isinstance(given, Mapping | BaseModel) else f" (it is {given!r})"  # a whole section says nothing
        return f"{place}: {error['msg'].removeprefix('Value error, ')}{shown}"
    for part in error["loc"][:-1]:
        section = model.model_fields[part].annotation if part in model.model_fields else None
        model = section if isinstance(section, type) and issubclass(section, BaseModel) else model
    close = difflib.get_close_matches(str(error["loc"][-1]), list(model.model_fields), 1)
    hint = f"did you mean {close[0]!r}?" if close else f"known here: {', '.join(model.model_fields)}"
    return f"{place}: unknown key; {hint}"
