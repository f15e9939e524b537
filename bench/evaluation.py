"""`make eval DIR=...`: how well labelled actions are judged, beside a plain keyword search.

Every `*.jsonl` file of the folder holds one action per line, with `"expected": "ALLOW"` or `"NOT_ALLOW"`. Each is
decided in this process. Recall is the share of actions to stop that were stopped, a false alarm is a harmless one that
was stopped; stopped is every verdict but ALLOW. Both stand with their 95 % Wilson intervals.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Literal, NamedTuple

import msgspec
from rich.console import Console
from rich.table import Table

from stage0.core.decide import decide
from stage0.core.pack import Pack
from stage0.core.verdict import Decision
from stage0.policy import shipped_packs
from stage0.reading.effects import HARMLESS, Sighting
from stage0.reading.interpret import interpret
from stage0.reading.request import ActionRequest, Caller, State
from stage0.server.logs import quiet_parsers
from stage0.wire import Invalid, parse, read_check

#: What a plain keyword search looks for in the goal and the tools' names: the floor.
FLOOR: Final = re.compile(
    r"delete|remove|drop|destroy|purge|wipe|erase|truncate|reset|prune|uninstall|kill|terminate|shutdown|reboot"
    r"|\brm\b|\bdd\b|mkfs|--force|--hard|-rf\b|overwrite|revoke|disable|cancel|transfer|refund|payment|\bpay\b"
    r"|update|modify|replace|write|edit|move|rename|merge|deploy|rollback|migrate|grant|publish|send"
    r"|更新|修改|變更|变更|変更|修正|删除|刪除|移除|清空|销毁|銷毀|重置|停用|禁用|支付|转账|轉帳|退款|部署|授权|授權|发送|發送|发布|發佈"
    r"|削除|消去|破棄|初期化|停止|無効|支払|送金|返金|デプロイ|付与|送信|公開",
    re.IGNORECASE,
)
_SUCCESS: Final = "The task is done as asked"
_PACK: Final = "stage0-default"
#: A Monday, 10:00 UTC: verdicts must not depend on when they are measured.
_NOW: Final = 1_773_655_200.0
#: 97.5 % of a normal distribution lie below it.
_Z: Final = 1.959964


class Line(msgspec.Struct, frozen=True):
    """One labelled action: as a goal, tools and arguments, or as a whole `request`."""

    goal: str
    expected: Literal["ALLOW", "NOT_ALLOW"]
    id: str | int = ""
    lang: str = ""
    tools: tuple[str, ...] = ()
    side_effects: tuple[str, ...] = ()
    constraints: tuple[str, ...] = ()
    success_criteria: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)] = (_SUCCESS,)
    context: dict[str, Any] = {}
    request: dict[str, Any] | None = None
    tool_args: dict[str, Any] | None = None
    tool_description: str | None = None


class Judged(NamedTuple):
    """An action with what Stage0 and the floor say of it."""

    line: Line
    decision: Decision
    seen: tuple[Sighting, ...]
    floor: bool

    @property
    def stopped(self) -> bool:
        return self.decision.verdict != "ALLOW"

    @property
    def dangerous(self) -> bool:
        return self.line.expected == "NOT_ALLOW"


class Share(NamedTuple):
    """So many of so many."""

    hits: int
    total: int

    def __str__(self) -> str:
        if not self.total:
            return "-"
        low, high = self.interval
        return f"{100 * self.hits / self.total:.1f} % ({100 * low:.1f} to {100 * high:.1f})"

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % Wilson interval, which also holds for few actions and for shares near 0 and 1."""
        share, count, z = self.hits / self.total, self.total, _Z
        middle = share + z * z / (2 * count)
        spread = z * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
        scale = 1 + z * z / count
        return max(0.0, (middle - spread) / scale), min(1.0, (middle + spread) / scale)


class Problem(NamedTuple):
    """A line that cannot be read."""

    where: str
    what: str


# -- reading


def request_of(line: Line) -> ActionRequest:
    """The request that stands for an action. Raises wire.Invalid where a server would refuse it."""
    if line.request is not None:
        return read_check(json.dumps(line.request, ensure_ascii=False).encode())
    context = dict(line.context)
    if line.tool_args is not None:
        context["tool_arguments"] = line.tool_args
    if line.tool_description is not None:
        context["tool_description"] = line.tool_description
    body = {
        "goal": line.goal,
        "success_criteria": line.success_criteria,
        "constraints": line.constraints,
        "tools": line.tools,
        "side_effects": line.side_effects,
        "context": context,
    }
    return read_check(json.dumps(body, ensure_ascii=False).encode())


def _read(text: bytes) -> tuple[Line, ActionRequest]:
    try:
        line = msgspec.convert(parse(text), Line)
        return line, request_of(line)
    except msgspec.ValidationError as error:
        raise Invalid("", str(error)) from None
    except UnicodeEncodeError:
        raise Invalid("", "holds a lone surrogate") from None


def judge(path: Path, pack: Pack) -> tuple[list[Judged], list[Problem]]:
    """Every action of a file as it is judged, and every line that cannot be read. Blank lines are skipped."""
    judged: list[Judged] = []
    problems: list[Problem] = []
    for number, text in enumerate(path.read_bytes().split(b"\n"), 1):
        if not text.strip():
            continue
        try:
            line, request = _read(text)
        except Invalid as error:
            problems.append(Problem(f"{path}:{number}", str(error)))
            continue
        judged.append(_judged(line, request, pack))
    return judged, problems


def _judged(line: Line, request: ActionRequest, pack: Pack) -> Judged:
    reading = interpret(request, pack.knowledge)
    decision = decide(request, pack=pack, state=State(Caller("eval")), now=_NOW, reading=reading)
    seen = tuple(sightings[0] for effect, sightings in sorted(reading.effects.items()))
    return Judged(line, decision, seen, bool(FLOOR.search("\n".join((request.goal, *request.tools)))))


# -- showing


def recall(judged: Sequence[Judged]) -> tuple[Share, Share]:
    """The share of actions to stop that were stopped: by Stage0, by the floor."""
    found = [each for each in judged if each.dangerous]
    return Share(sum(each.stopped for each in found), len(found)), Share(sum(each.floor for each in found), len(found))


def false_alarms(judged: Sequence[Judged]) -> tuple[Share, Share]:
    """The share of harmless actions that were stopped: by Stage0, by the floor."""
    found = [each for each in judged if not each.dangerous]
    return Share(sum(each.stopped for each in found), len(found)), Share(sum(each.floor for each in found), len(found))


def table(files: dict[str, list[Judged]]) -> Table:
    """One row for each file, and one for all of them."""
    made = Table(box=None, pad_edge=False, title="share (95 % Wilson interval)", title_justify="left")
    made.add_column("file", overflow="fold")
    for heading in ("to stop", "recall", "floor's", "harmless", "false alarms", "floor's"):
        made.add_column(heading, justify="right", no_wrap=True)
    rows = dict(files)
    if len(files) > 1:
        rows["all"] = [each for judged in files.values() for each in judged]
    for name, judged in rows.items():
        stopped, floor = recall(judged)
        alarms, floor_alarms = false_alarms(judged)
        shares = (str(stopped.total), str(stopped), str(floor), str(alarms.total), str(alarms), str(floor_alarms))
        made.add_row(name, *shares, end_section=True)
    return made


def wrong(judged: Sequence[Judged], limit: int) -> Iterator[str]:
    """Misses and false alarms, at most so many of each, with their codes and the effects that caused them."""
    for title, dangerous in (("misses", True), ("false alarms", False)):
        found = [each for each in judged if each.dangerous is dangerous and each.stopped is not dangerous]
        if found:
            yield f"{title}: {len(found)}"
        for each in found[:limit]:
            yield from _one(each)
        if len(found) > limit:
            yield f"  and {len(found) - limit} more"


def _one(each: Judged) -> Iterator[str]:
    line = each.line
    language = f" [{line.lang}]" if line.lang else ""
    yield f"  {line.id}{language} {_short(line.goal)}  tools: {_short(', '.join(line.tools)) or 'none'}"
    codes = " ".join(issue.code for issue in each.decision.issues if issue.severity != "LOW")
    yield f"    {each.decision.verdict} {codes}".rstrip()
    causes = [seen for seen in each.seen if seen.effect not in HARMLESS] or list(each.seen)
    for seen in causes:
        yield f"    {seen.effect}: {seen.source} {seen.span.path} {_short(seen.span.text)}".rstrip()


def _short(text: str) -> str:
    line = "".join(char if char.isprintable() else " " for char in text)
    return line if len(line) <= 80 else f"{line[:80]}…"


# -- the command


def main(arguments: Sequence[str] | None = None) -> int:
    """Judge a folder and print. Gives the exit code: 1 where anything could not be read."""
    parser = argparse.ArgumentParser(prog="make eval", description=__doc__)
    parser.add_argument("folder", nargs="?", default="", help="a folder of *.jsonl files")
    parser.add_argument("--show", type=int, default=0, help="print so many misses and false alarms of each file")
    parser.add_argument("--pack", default=_PACK, help="the pack that decides")
    given = parser.parse_args(arguments)
    packs = shipped_packs()
    if given.pack not in packs:
        return _fail(f"there is no pack `{given.pack}`; packs are {', '.join(sorted(packs))}")
    if not given.folder:
        return _fail("give a folder of *.jsonl files: make eval DIR=path/to/folder [SHOW=20]")
    paths = sorted(Path(given.folder).glob("*.jsonl"))
    if not paths:
        return _fail(f"`{given.folder}` holds no *.jsonl file; put one there, with one action per line, like\n{_LIKE}")
    quiet_parsers()
    return _report(paths, packs[given.pack], given.show)


_LIKE: Final = '{"id": "1", "goal": "Delete the old backups", "tools": ["delete_backup"], "expected": "NOT_ALLOW"}'


def _report(paths: Sequence[Path], pack: Pack, show: int) -> int:
    files: dict[str, list[Judged]] = {}
    problems: list[Problem] = []
    for path in paths:
        files[path.name], unread = judge(path, pack)
        problems += unread
    console = Console(highlight=False, markup=False, emoji=False)
    console = console if console.is_terminal else Console(highlight=False, markup=False, emoji=False, width=150)
    for name, judged in files.items() if show > 0 else ():
        for text in (f"{name}", *wrong(judged, show), ""):
            console.print(text, soft_wrap=True)
    console.print(table(files))
    for problem in problems:
        print(f"{problem.where}: {problem.what}", file=sys.stderr)
    if not any(files.values()):
        return _fail("no action was read")
    return 1 if problems else 0


def _fail(text: str) -> int:
    print(text, file=sys.stderr)
    return 1


if __name__ == "__main__":
    raise SystemExit(main())
