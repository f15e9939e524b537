"""Reading the project's Markdown: fenced blocks with the mark above them, links, and cited paths.

Marks are HTML comments on the line before a block:

- `<!-- run -->`: the block really runs against a server (`sh` or `python`)
- `<!-- answer -->`: what the block that ran last printed, as JSON; what is shown must be in it
- `<!-- prints -->`: what the block that ran last printed, as text
- `<!-- generated: NAME -->` to `<!-- /generated -->`: written by `generated.py`
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

ROOT: Final = Path(__file__).resolve().parents[2]
DOCS: Final = ROOT / "docs"
#: Every page of the documentation.
PAGES: Final = tuple(sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")]))

_BLOCK: Final = re.compile(r"^(?:<!-- (?P<mark>[a-z]+) -->\n)?```(?P<kind>[a-z]*)\n(?P<text>.*?)^```$", re.M | re.S)
_SECTION: Final = re.compile(r"(<!-- generated: ([a-z][a-z0-9 -]*) -->\n)(.*?)(<!-- /generated -->)", re.S)
_LINK: Final = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_CODE: Final = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
_PATH: Final = re.compile(r"[\w.*-]+(?:/[\w.*-]+)*(?:/|\.(?:py|ya?ml|md|toml|svg|lock))\Z")


class Block(msgspec.Struct, frozen=True):
    """A fenced block: the mark above it (empty: none), its language, its text and its line."""

    mark: str
    kind: str
    text: str
    line: int


def name_of(page: Path) -> str:
    """A page's path from the root of the repository."""
    return str(page.relative_to(ROOT))


def read(page: Path) -> str:
    """A page's text."""
    return page.read_text(encoding="utf-8")


def blocks(text: str) -> list[Block]:
    """Every fenced block of a page, in order."""
    return [
        Block(match["mark"] or "", match["kind"], match["text"], text.count("\n", 0, match.start()) + 1)
        for match in _BLOCK.finditer(text)
    ]


def prose(text: str) -> str:
    """A page without its fenced blocks."""
    return _BLOCK.sub("", text)


def links(text: str) -> list[str]:
    """Where the page's links go."""
    return _LINK.findall(prose(text))


def codes(text: str) -> list[str]:
    """Every inline code of a page's prose."""
    return _CODE.findall(prose(text))


def cited_paths(text: str) -> list[str]:
    """Inline codes that are written like a path of this repository."""
    return [code for code in codes(text) if _PATH.match(code)]


def sections(text: str) -> Iterator[tuple[str, str]]:
    """Name and content of every generated section."""
    for match in _SECTION.finditer(text):
        yield match[2], match[3]


def with_section(text: str, name: str, content: str) -> str:
    """The page with one generated section's content replaced."""
    return _SECTION.sub(lambda found: found[1] + content + found[4] if found[2] == name else found[0], text)


def heading(text: str, title: str) -> str:
    """The part of a page under a heading, up to the next one of the same or a higher level. Empty: no such heading."""
    match = re.search(rf"^(#+) {re.escape(title)}\n", text, re.M)
    if match is None:
        return ""
    rest = text[match.end() :]
    end = re.search(rf"^#{{1,{len(match[1])}}} ", rest, re.M)
    return rest[: end.start()] if end else rest


def anchor_of(title: str) -> str:
    """The anchor of a heading, as it is made on the web."""
    return "".join(c for c in title.lower() if c.isalnum() or c in " -_").replace(" ", "-")


def section_at(text: str, anchor: str) -> str:
    """The part of a page under the heading with that anchor; the whole page for no anchor. Empty: no such heading."""
    if not anchor:
        return text
    titles = [line.lstrip("#").strip() for line in text.splitlines() if line.startswith("#")]
    return next((heading(text, title) for title in titles if anchor_of(title) == anchor), "")


def rows(text: str) -> list[list[str]]:
    """The body rows of every table in a text, as cells."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    heads = {index for index, row in enumerate(cells) if all(set(cell) <= {"-", ":"} and cell for cell in row)}
    return [row for index, row in enumerate(cells) if index not in heads and index + 1 not in heads]


def differences(shown: Any, real: Any, path: str = "$") -> Iterator[str]:
    """Where a shown JSON value is not in the real one. A `…` stands for anything; at a list's end, for the rest."""
    if shown == "…":
        return
    if isinstance(shown, dict) and isinstance(real, dict):
        for key, value in shown.items():
            if key == "…":
                continue
            if key not in real:
                yield f"{path}.{key} is not in the answer"
            else:
                yield from differences(value, real[key], f"{path}.{key}")
    elif isinstance(shown, list) and isinstance(real, list):
        open_end = bool(shown) and shown[-1] == "…"
        wanted = shown[:-1] if open_end else shown
        if len(real) < len(wanted) or (len(real) > len(wanted) and not open_end):
            yield f"{path} has {len(real)} items, {len(wanted)} are shown"
        for index, (value, other) in enumerate(zip(wanted, real, strict=False)):
            yield from differences(value, other, f"{path}[{index}]")
    elif type(shown) is not type(real) or shown != real:
        yield f"{path} is {real!r}, shown is {shown!r}"
