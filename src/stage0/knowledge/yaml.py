"""YAML 1.2 files into checked types. Duplicate keys are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import msgspec
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from stage0.knowledge.source import PolicyError

T = TypeVar("T")

HERE = Path(__file__).parent


def read(path: Path) -> Any:
    """The plain value of a YAML file that ships. Raises PolicyError with the place where it does not parse.

    Every command needs these files, so they are read by the quicker parser where there is one; that both read them the
    same, and that no key stands twice, is a test."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PolicyError(f"{path.name}: {error}") from error
    try:
        import yaml12
    except ImportError:
        return read_slowly(text, path.name)
    try:
        return yaml12.parse_yaml(text)
    except ValueError:
        return read_slowly(text, path.name)  # its errors say more


def read_slowly(text: str, name: str) -> Any:
    """The plain value of a YAML 1.2 text; duplicate keys are refused. Raises PolicyError with the place."""
    try:
        return YAML(typ="safe", pure=True).load(text)
    except YAMLError as error:
        raise PolicyError(f"{name}: {error}") from error


def convert(value: Any, kind: type[T], name: str) -> T:
    """A plain value as a type. Raises PolicyError naming the field."""
    try:
        return msgspec.convert(value, kind, strict=True)
    except msgspec.ValidationError as error:
        raise PolicyError(f"{name}: {error}") from error
