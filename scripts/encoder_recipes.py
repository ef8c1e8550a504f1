"""A training recipe that can be changed from the command line.

A change is `name=value`, where name is a field of `PretrainConfig`, or of its `ModelConfig` after `model.`, and value
is a Python literal of the field's type: `reconstruct=5`, `model.dimension=32`, `prefixes=(16, 32)`.
"""

from __future__ import annotations

import argparse
import ast
import json
import types
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, fields, is_dataclass, replace
from typing import Any, Union, get_args, get_origin, get_type_hints

from surco.encoder import EncoderError
from surco.encoder.pretrain import PretrainConfig


class SettingError(EncoderError):
    """A change of the recipe that is none."""


@dataclass(frozen=True)
class Recipe:
    """All that decides a model beside the tables: the config, and which corpora it is trained on.

    `simulated` series of each climate; `real` tables or none; `real_labels` False trains on them without labels.
    `teacher` is a name for `load_encoder`, or None.
    """

    config: PretrainConfig = field(default_factory=PretrainConfig)
    simulated: int = 15_000
    real: bool = True
    real_labels: bool = True
    teacher: str | None = "presto"

    def plain(self) -> dict[str, Any]:
        """JSON values."""
        found: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return found


def changed(config: Any, settings: Iterable[str]) -> Any:
    """A copy of a config dataclass after all `name=value`.

    Raises:
        SettingError: no `name=value`, no such field, no Python literal, or a value of another type.
    """
    for setting in settings:
        path, sign, text = setting.partition("=")
        if not sign:
            raise SettingError(f"Expected NAME=VALUE, got {setting!r}. Write reconstruct=5, say.")
        config = _changed(config, path.strip().split("."), text.strip(), setting)
    return config


def _changed(config: Any, path: list[str], text: str, setting: str) -> Any:
    known = [f.name for f in fields(config)]
    name = path[0]
    if name not in known:
        raise SettingError(
            f"Expected a field of {type(config).__name__} ({', '.join(known)}), got {name!r} in {setting!r}. "
            "Name one of these."
        )
    inner = getattr(config, name)
    if is_dataclass(inner):
        if len(path) == 1:
            raise SettingError(f"Expected a field of {name}, got {setting!r}. Write {name}.FIELD=VALUE.")
        return replace(config, **{name: _changed(inner, path[1:], text, setting)})
    if len(path) > 1:
        raise SettingError(f"Expected a plain field, got {setting!r}. Write {name}=VALUE.")
    return replace(config, **{name: _value(text, get_type_hints(type(config))[name], setting)})


def _value(text: str, kind: Any, setting: str) -> Any:
    try:
        return _cast(ast.literal_eval(text), kind)
    except (ValueError, SyntaxError, TypeError) as error:
        name = kind.__name__ if isinstance(kind, type) and not get_args(kind) else kind
        raise SettingError(
            f"Expected a Python literal of type {name}, got {text!r} in {setting!r}. "
            "Write 5, 0.5, True, 'text' (in quotes), None or (16, 32)."
        ) from error


def _cast(value: Any, kind: Any) -> Any:
    """The value where it is of the type; a whole number serves for a float, a list for a tuple."""
    if get_origin(kind) in (Union, types.UnionType):
        return _first_cast(value, get_args(kind))
    if get_origin(kind) is tuple and isinstance(value, tuple | list):
        kinds = get_args(kind)
        kinds = kinds[:1] * len(value) if kinds[1:] == (Ellipsis,) else kinds
        return tuple(_cast(v, k) for v, k in zip(value, kinds, strict=True))
    if kind is float and type(value) in (int, float):
        return float(value)
    if isinstance(kind, type) and type(value) is kind:
        return value
    raise TypeError(f"{value!r} is no {kind}")


def _first_cast(value: Any, kinds: tuple[Any, ...]) -> Any:
    for kind in kinds:
        try:
            return _cast(value, kind)
        except TypeError:
            continue
    raise TypeError(f"{value!r} is none of {kinds}")


def add_recipe_options(parser: argparse.ArgumentParser) -> None:
    """Options that change the recipe."""
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", dest="settings")
    parser.add_argument("--steps", type=int)
    parser.add_argument("--seed", type=int, help="of training and of the synthetic country")
    parser.add_argument("--simulated", type=int, default=Recipe.simulated, help="series of each climate")
    parser.add_argument("--no-simulated", action="store_const", const=0, dest="simulated")
    parser.add_argument("--no-real", action="store_false", dest="real", help="no real tables")
    parser.add_argument("--no-real-labels", action="store_false", dest="real_labels")
    parser.add_argument("--teacher", default=Recipe.teacher, help="a published encoder")
    parser.add_argument("--no-teacher", action="store_const", const=None, dest="teacher")


def recipe_of(args: argparse.Namespace) -> Recipe:
    """The recipe that the options ask for.

    Raises:
        SettingError: see `changed`; or nothing is left to train on.
    """
    plain = [f"{name}={getattr(args, name)}" for name in ("steps", "seed") if getattr(args, name) is not None]
    if not (args.real or args.simulated):
        raise SettingError(
            "Expected real or simulated series to train on, got neither. Leave one of them in."
        )
    config = changed(PretrainConfig(), [*args.settings, *plain])
    return Recipe(config, args.simulated, args.real, args.real_labels, args.teacher)
