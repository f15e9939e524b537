"""YAML 1.2 files into checked types. Duplicate keys are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import msgspec
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

T = TypeVar("T")

HERE = Path(__file__).parent


class PolicyError(ValueError):
    """Policy data that cannot be used: which file, what is wrong, and what to do."""


def read(path: Path) -> Any:
    """The plain value of a YAML file. Raises PolicyError with the place where it does not parse."""
    try:
        return YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except (YAMLError, OSError, UnicodeDecodeError) as error:
        raise PolicyError(f"{path.name}: {error}") from error


def convert(value: Any, kind: type[T], name: str) -> T:
    """A plain value as a type. Raises PolicyError naming the field."""
    try:
        return msgspec.convert(value, kind, strict=True)
    except msgspec.ValidationError as error:
        raise PolicyError(f"{name}: {error}") from error
