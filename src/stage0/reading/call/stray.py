"""Texts whose argument's name asks for no parser: whether they are commands or programs all the same."""

from __future__ import annotations

import re
from typing import Final

from stage0.reading.shell.lines import Commands

#: A longer text is no single command (in characters).
_LINE_LENGTH_MAX: Final = 2_000
#: What a command line has and a sentence has not: an option, a path, an operator, a substitution.
_TYPED: Final = re.compile(r"(?:^|\s)--?[A-Za-z][\w-]*(?:[\s=]|$)|(?:^|\s)(?:~|\.{0,2})/\S|\s(?:\||&&|>>?|;)\s|\$\(")
#: What hands a text to an interpreter or a shell, in whatever language it stands.
_RUNS_CODE: Final = re.compile(
    r"\b(?:os\.system|os\.popen|subprocess\.\w+|child_process|execSync|spawnSync|shell_exec|passthru|proc_open"
    r"|Runtime\.getRuntime|ProcessBuilder|Invoke-Expression|Invoke-Command|Start-Process|eval|exec|system)\s*\("
    r"|\b(?:iex|Invoke-Expression|powershell(?:\.exe)?\s+-)\b|child_process",
    re.IGNORECASE,
)


def is_command_line(text: str, commands: Commands) -> bool:
    """Whether a text is a line of a program that the table knows, written as one types it."""
    first = text.split(maxsplit=1)[:1]
    if not first or len(text) > _LINE_LENGTH_MAX or not first[0].islower() or first[0] == text.strip():
        return False
    return _TYPED.search(text) is not None and commands.find(first[0].rpartition("/")[2]) is not None


def runs_code(text: str) -> bool:
    """Whether a text is a program that runs another one."""
    return _RUNS_CODE.search(text) is not None
