"""What a pack may hold by mistake, though it can be used."""

from __future__ import annotations

from collections.abc import Iterator

from stage0.knowledge.source import SUITE, Path_, rules_of
from stage0.policy.conditions import silenced_by_danger, unguarded
from stage0.policy.load import Loaded
from stage0.policy.suite import SuiteResult


def warnings_of(found: Loaded, result: SuiteResult, *, at: float) -> Iterator[str]:
    """Warnings, each with its place: from the pack as it is written, and from what its suite has shown. `at` is the
    time, in Unix seconds."""
    source, file = found.source, found.file
    written = rules_of(source)
    for code, entry in file.rules.items():
        if entry is None or code not in written:
            continue
        chain = unguarded(entry.when)
        if chain:
            yield _at(
                found,
                ("rules", code, "when"),
                f"reads `{chain}` where it may be missing, and fires then: ask `has({chain})` first",
            )
        danger = silenced_by_danger(entry.when)
        if danger:
            message = f"is turned off where `{danger}` holds, so a pack below, or a caller, silences it by more danger"
            yield _at(found, ("rules", code, "when"), message)
        if not entry.remedy:
            yield _at(found, ("rules", code), "has no `remedy`: whoever is stopped wants to know what to do")
    for name in source.plain.get("calendars") or {}:
        calendar = found.pack.calendars.get(name)
        if calendar is not None and calendar.over(at, "UTC"):
            message = "does not open any more, so that what it guards is stopped: give it an opening or `weekly` hours"
            yield _at(found, ("calendars", name), message)
    for pattern in source.plain.get("tools") or {}:
        entry_of = file.tools.get(pattern)
        if entry_of is not None and not entry_of.owner:
            yield _at(found, ("tools", pattern), "has no `owner`: nobody answers for it")
    for code in result.never_fired:
        yield f"{SUITE}: no case makes {code} fire"
    for code in result.never_quiet:
        yield f"{SUITE}: no case leaves {code} quiet"


def _at(found: Loaded, path: Path_, message: str) -> str:
    return f"{found.source.error(path, message)}"
