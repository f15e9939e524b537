"""Settings, from the environment alone. A wrong one is a clear error at start."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from stage0.ledger.plans import Plans, read_plans, shipped_plans
from stage0.policy import PolicyError


class SettingError(ValueError):
    """A setting that cannot be used: its name, what was given, and what to do."""


class Setting(msgspec.Struct, frozen=True):
    """One setting: the environment variable, its default as text, what it is, and how it is read."""

    variable: str
    default: str
    help: str
    read: Callable[[str], Any]


def _number(low: int, high: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            raise ValueError(f"must be a whole number from {low} to {high}") from None
        if not low <= number <= high:
            raise ValueError(f"must be from {low} to {high}")
        return number

    return read


def _seconds(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        raise ValueError("must be a number of seconds") from None
    if not 0.05 <= number <= 300:
        raise ValueError("must be from 0.05 to 300 seconds")
    return number


def _one_of(*choices: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in choices:
            raise ValueError(f"must be one of {', '.join(choices)}")
        return text

    return read


def _keys(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _plans(text: str) -> Plans:
    """The file is read at once, so that a wrong one is a clear error at start."""
    try:
        return read_plans(Path(text)) if text else shipped_plans()
    except PolicyError as error:
        raise ValueError(str(error)) from None


SETTINGS: Final[Mapping[str, Setting]] = {
    "database_url": Setting(
        "STAGE0_DATABASE_URL",
        "sqlite:///.stage0/stage0.db",
        "where decisions are recorded: sqlite:///PATH or postgresql://…",
        str,
    ),
    "secret_key": Setting(
        "STAGE0_SECRET_KEY",
        "",
        "the root key, 32 or more characters; several, newest first, separated by commas, to rotate",
        _keys,
    ),
    "plans": Setting("STAGE0_PLANS", "", "a file of plans instead of those that ship", _plans),
    "host": Setting("STAGE0_HOST", "127.0.0.1", "the address to listen on", str),
    "port": Setting("STAGE0_PORT", "8000", "the port to listen on", _number(0, 65535)),
    "workers": Setting(
        "STAGE0_WORKERS", "1", "server processes; SQLite serves one, PostgreSQL any number", _number(1, 64)
    ),
    "connections": Setting(
        "STAGE0_CONNECTIONS",
        "2000",
        "connections that may be open to a process; beyond, the one that has waited longest for a request is closed",
        _number(1, 100_000),
    ),
    "header_timeout": Setting(
        "STAGE0_HEADER_TIMEOUT", "10", "seconds in which a request's headers must arrive, or it gets 408", _seconds
    ),
    "database_wait": Setting(
        "STAGE0_DATABASE_WAIT",
        "60",
        "seconds for which `dev`, `serve` and `migrate` wait for a PostgreSQL that is starting",
        _number(0, 3600),
    ),
    "queue": Setting("STAGE0_QUEUE", "2000", "checks that may wait before new ones get 503", _number(1, 100_000)),
    "deadline": Setting("STAGE0_DEADLINE", "5", "seconds a check may wait before it gets 503", _seconds),
    "log_level": Setting(
        "STAGE0_LOG_LEVEL", "info", "debug, info, warning or error", _one_of("debug", "info", "warning", "error")
    ),
}


class Settings(msgspec.Struct, frozen=True):
    """All settings, read and checked."""

    database_url: str
    secret_key: tuple[str, ...]
    plans: Plans
    host: str
    port: int
    workers: int
    connections: int
    header_timeout: float
    database_wait: int
    queue: int
    deadline: float
    log_level: str


def read_settings(environment: Mapping[str, str], **given: Any) -> Settings:
    """Settings from an environment; `given` ones that are not None win. Raises SettingError."""
    known = {setting.variable for setting in SETTINGS.values()} | _OTHER_VARIABLES
    for variable in environment:
        if variable.startswith("STAGE0_") and variable not in known:
            raise SettingError(f"there is no setting `{variable}`; `stage0 serve --help` lists them")
    values = {}
    for name, setting in SETTINGS.items():
        text = given.get(name)
        text = environment.get(setting.variable, setting.default) if text is None else str(text)
        try:
            values[name] = setting.read(text)
        except ValueError as error:
            raise SettingError(f"{setting.variable}=`{text}`: {error}") from None
    return Settings(**values)


#: Variables of the client and the CLI, which share the prefix.
_OTHER_VARIABLES: Final = frozenset({"STAGE0_DEV_KEY", "STAGE0_API_KEY", "STAGE0_BASE_URL", "STAGE0_DATA"})
