"""Making a pack ready to be stored: read, layered, checked, its suite run. In a process of its own on the server
(`python -m stage0.policy.upload`), so that no check waits for it."""

from __future__ import annotations

import contextlib
import os
import re
import resource
import sys
import time
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from stage0.knowledge.source import PolicyError, source_of
from stage0.policy.format import PackFile
from stage0.policy.lint import warnings_of
from stage0.policy.load import Loaded, content_of, file_of_content, loaded, resolver_of
from stage0.policy.suite import SuiteResult, try_suite

#: Looked for at the beginning of each line by itself.
_EXTENDS: Final = re.compile(r"[{ ]{0,8}[\"']?extends[\"']?[ \t]{0,8}:[ \t]{0,8}[\"']?([\w.@+-]{1,130})")
#: Bytes that trying a pack may take.
_MEMORY: Final = 4 << 30


class Upload(msgspec.Struct, frozen=True):
    """A pack's files by name, and the stored contents of the packs that it may extend, by what they are asked for."""

    files: dict[str, str]
    parents: dict[str, str] = {}
    name: str = "the pack"


class Compiled(msgspec.Struct, frozen=True, tag=True):
    """A pack that is ready to be stored. `suite` is what its cases showed: `problem` is why it is not activated unless
    forced, or empty."""

    name: str
    version: str
    digest: str
    content: str
    files: dict[str, str]
    suite: dict[str, Any]
    warnings: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """`name@version`."""
        return f"{self.name}@{self.version}"


class Failed(msgspec.Struct, frozen=True, tag=True):
    """Why there is none."""

    error: str


def wanted_parent(files: Mapping[str, str]) -> str:
    """What a pack extends, as far as a glance tells; empty for nothing."""
    for text in files.values():
        for line in text.split("\n"):
            found = _EXTENDS.match(line)
            if found:
                return found[1]
    return ""


def compile_upload(upload: Upload) -> Compiled:
    """Read, check and try a pack. Raises PolicyError."""

    def find(wanted: str) -> PackFile | None:
        content = upload.parents.get(wanted)
        return None if content is None else file_of_content(content.encode())

    return made(loaded(source_of(upload.files, upload.name), resolver_of(find)))


def made(found: Loaded) -> Compiled:
    """A loaded pack, ready to be stored. Raises PolicyError where its suite cannot be read."""
    pack = found.pack
    result = try_suite(found)
    return Compiled(
        name=pack.name,
        version=pack.version,
        digest=pack.digest,
        content=content_of(found.file).decode(),
        files=dict(found.source.files),
        suite=summary(result),
        warnings=tuple(warnings_of(found, result, at=time.time())),
    )


def summary(result: SuiteResult) -> dict[str, Any]:
    """What a suite has shown, as it is stored and sent."""
    return {
        "cases": len(result.ran),
        "failed": [{"case": each.case.name, "problems": list(each.problems)} for each in result.failed],
        "problem": result.activatable,
        "never_fired": list(result.never_fired),
        "never_quiet": list(result.never_quiet),
    }


def main() -> None:
    """An Upload as JSON on standard input; Compiled or Failed on standard output."""
    os.nice(10)  # checks come first
    with contextlib.suppress(ValueError, OSError):  # not every system has such a limit
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    upload = msgspec.json.decode(sys.stdin.buffer.read(), type=Upload)
    result: Compiled | Failed
    try:
        result = compile_upload(upload)
    except PolicyError as error:
        result = Failed(str(error))
    sys.stdout.buffer.write(msgspec.json.encode(result))


if __name__ == "__main__":
    main()
