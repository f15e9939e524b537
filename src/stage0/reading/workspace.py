"""A tree that is checked out: what an action changes in it that version control or the next build takes back.

A path is inside where it is relative or below the root, names nothing outside, and governs nothing. What is not known
to be inside is outside.
"""

from __future__ import annotations

import posixpath
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

import msgspec

from stage0.reading.effects import Effect, Sighting
from stage0.reading.paths import effects_of_writing, holds_secrets
from stage0.reading.result import Ran, word_set

#: Named files that one call may delete.
_FILES_MAX: Final = 5
_CHANGED: Final[frozenset[Effect]] = frozenset({"overwrite"})
_DELETED: Final[frozenset[Effect]] = frozenset({"overwrite", "delete", "bulk", "irreversible"})
_STOPPED: Final[frozenset[Effect]] = frozenset({"service_impact", "bulk", "irreversible", "unknown"})
_NOTHING: Final[frozenset[Effect]] = frozenset()


class Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`workspace.yaml`."""

    rebuilt: frozenset[str]
    harmless: frozenset[str]
    governing: frozenset[str]
    data: frozenset[str]
    editors: frozenset[str]
    formatters: frozenset[str]
    toolchains: Mapping[str, frozenset[str]]
    wrappers: tuple[str, ...]
    servers: tuple[str, ...]


class Workspace:
    """One checked-out tree: its `roots` (absolute, none: only relative paths can be inside), and the folder in which a
    call says that it works."""

    def __init__(self, table: Table, roots: Sequence[str], working: str | None) -> None:
        self._table = table
        self._roots = tuple(posixpath.normpath(root) for root in roots)
        #: Whether what is relative can be inside.
        self._here = working is None or not self._roots or self._below(posixpath.normpath(working))

    def kept(
        self, effects: Mapping[Effect, Sequence[Sighting]], ran: Sequence[tuple[str, Ran]], edited: Sequence[str] | None
    ) -> dict[Effect, list[Sighting]]:
        """The effects without those that are taken back inside of the tree, which are `write` there. `ran` are the
        commands by the argument that holds them, `edited` the files that an editing tool names; None for another."""
        given: dict[tuple[str, int, int], frozenset[Effect]] = {}
        lines: dict[str, list[Ran]] = {}
        for path, each in ran:
            lines.setdefault(path, []).append(each)
        for path, commands in lines.items():
            if any([self._leaves(each.words) for each in commands]):
                continue
            for index, each in enumerate(commands):
                before = commands[index - 1].words if index else ()
                at = path, each.start, each.end
                back = self._given_back(self._unwrapped(each.words), before)
                given[at] = back & given[at] if at in given else back
        edits = edited is not None and bool(edited) and all(self.is_inside(path) for path in edited)
        left: dict[Effect, list[Sighting]] = {}
        for effect, sightings in effects.items():
            for seen in sightings:
                at = seen.span.path, seen.span.start, seen.span.end
                edit = edits and effect in _CHANGED and (seen.source == "tool" or seen.span.path.endswith(_OPERATION))
                returns = edit or effect in given.get(at, _NOTHING)
                kept = msgspec.structs.replace(seen, effect="write") if returns else seen
                left.setdefault(kept.effect, []).append(kept)
        return left

    # -- paths

    def is_inside(self, path: str, *, whole: bool = False) -> bool:
        """Whether a path is inside. `whole`: the tree itself counts, for what goes through all of it."""
        text = path.strip().strip("'\"")
        if not text or _OUTSIDE.search(text) or holds_secrets(text) or effects_of_writing(text):
            return False
        plain = posixpath.normpath(text)
        if plain.startswith("/"):
            if not self._below(plain) or any(plain == root for root in self._roots):
                return False
            plain = next(plain[len(root) :].lstrip("/") for root in self._roots if plain.startswith(root + "/"))
        elif not self._here:
            return False
        if plain in (".", "*", "**", "*.*") or plain.startswith(("*/", "**/")):
            return whole and plain == "."
        return not any([self._governs(part) for part in plain.split("/")])

    def _below(self, path: str) -> bool:
        return any(path == root or path.startswith(root + "/") for root in self._roots)

    def _governs(self, part: str) -> bool:
        """Whether a part of a path is one that governs the tree, or is data."""
        name = unicodedata.normalize("NFKC", part).casefold()
        if name in self._table.harmless or name in self._table.rebuilt:
            return False
        return name.startswith(".") or name in self._table.governing or name.rpartition(".")[2] in self._table.data

    def _is_rebuilt(self, path: str) -> bool:
        text = posixpath.normpath(path.strip())
        name = text.rpartition("/")[2]
        return (name in self._table.rebuilt or name.endswith(".egg-info")) and self.is_inside(text)

    # -- commands

    def _leaves(self, words: Sequence[str]) -> bool:
        """Whether a command leaves the tree, so that nothing after it is inside."""
        name = words[0].rpartition("/")[2]
        if name in _LEAVING:
            return True
        if name in ("docker", "podman", "kubectl", "nerdctl") and "exec" in words[1:4]:
            return True
        if name not in ("cd", "pushd"):
            return False
        target = words[1] if len(words) > 1 else "~"
        return not (self.is_inside(target, whole=True) or any(posixpath.normpath(target) == r for r in self._roots))

    def _unwrapped(self, words: Sequence[str]) -> Sequence[str]:
        for _ in range(3):
            for wrapper in self._table.wrappers:
                first = wrapper.split()
                if list(words[: len(first)]) == first and len(words) > len(first):
                    words = words[len(first) :]
                    while len(words) > 1 and words[0] in ("--yes", "-y", "--no-install", "--"):
                        words = words[1:]
                    break
            else:
                return words
        return words

    def _given_back(self, words: Sequence[str], before: Sequence[str]) -> frozenset[Effect]:
        """The effects of a command that the tree takes back."""
        if not words:
            return _NOTHING
        name, rest = words[0].rpartition("/")[2], list(words[1:])
        if name == ">":
            return _CHANGED if rest and self.is_inside(rest[0]) else _NOTHING
        if any([_RUNS.match(word) or self._leads_out(word) for word in rest]):
            return _NOTHING
        if name == "git":
            return self._git(rest)
        if name in ("rm", "unlink", "rmdir"):
            return _DELETED if self._removes(rest) else _NOTHING
        if name == "find":
            return _DELETED if self._finds(rest) else _NOTHING
        if name in self._table.editors:
            files = _files(rest) if name == "sed" else _operands(rest)
            return _CHANGED if files and all(self.is_inside(path) for path in files) else _NOTHING
        if name in self._table.formatters or (rest[:1] and rest[0] in self._table.toolchains.get(name, ())):
            cleans = name not in self._table.formatters and (rest[0] == "clean" or rest[0] in ("prune", "dedupe"))
            files = [word for word in rest if not word.startswith("-") and ("/" in word or "." in word)]
            inside = all(self.is_inside(path, whole=True) for path in files)
            return (_DELETED if cleans else _CHANGED) if inside else _NOTHING
        if name in ("docker-compose", "podman-compose") or (name in ("docker", "podman") and rest[:1] == ["compose"]):
            return self._compose(rest if "-" in name else rest[1:])
        return _STOPPED | {"bulk"} if self._stops_own([name, *rest], before) else _NOTHING

    def _leads_out(self, word: str) -> bool:
        """Whether an option's value, behind `=` or at once behind its letter, is a path that is not inside."""
        if not word.startswith("-"):
            return False
        _, parted, value = word.partition("=")
        if not parted and not word.startswith("--"):
            value = word[2:]
        return _PATH.search(value) is not None and not self.is_inside(value)

    def _removes(self, words: Sequence[str]) -> bool:
        """Whether `rm` takes away only named files, and folders that a build makes again."""
        recursive = any([word.startswith("-") and ("r" in word.lower()) and word != "--force" for word in words])
        files = 0
        for path in _operands(words):
            if self._is_rebuilt(path) or _OWN_TEMPORARY.fullmatch(path):
                continue
            named = self.is_inside(path) and not _GLOB.search(path)
            if not named or (recursive and not _FILE.search(path)):
                return False
            files += 1
        return files <= _FILES_MAX and bool(_operands(words))

    def _finds(self, words: Sequence[str]) -> bool:
        """`find . -name __pycache__ -exec rm -rf {} +`: whether it takes away only what a build makes again."""
        places = list(_until_option(words))
        names = [words[i + 1] for i, word in enumerate(words[:-1]) if word in ("-name", "-iname")]
        rebuilt = bool(names) and all(
            n in self._table.rebuilt or n in ("*.pyc", "*.pyo", "*.o", "*.class") for n in names
        )
        ran = [words[i + 1] for i, word in enumerate(words[:-1]) if word in ("-exec", "-execdir", "-ok", "-okdir")]
        negated = any([word in ("!", "-not", "-o", "-or") for word in words])
        known = all([word in _FINDS for word in words if word.startswith("-")])
        return (
            rebuilt
            and known
            and not negated
            and set(ran) <= {"rm"}
            and all(self.is_inside(p, whole=True) for p in places)
        )

    def _git(self, words: Sequence[str]) -> frozenset[Effect]:
        """What the reflog keeps."""
        if not words or words[0].startswith("-"):
            return _NOTHING
        action, rest = words[0], words[1:]
        options = {word.partition("=")[0] for word in rest if word.startswith("-")}
        if action in ("rebase", "merge", "cherry-pick", "revert", "commit", "pull", "stash"):
            drops = action == "stash" and rest[:1] and rest[0] in ("drop", "clear")
            return _CHANGED if not drops and options.isdisjoint(_GIT_RUNS) else _NOTHING
        if action == "branch":
            return _DELETED if options <= {"-d", "--delete", "-m", "--move", "-q"} else _NOTHING
        if action == "reset":
            return _DELETED if options.isdisjoint({"--hard", "--merge", "--keep"}) else _NOTHING
        if action == "clean":
            flags = "".join([option.lstrip("-") for option in options])
            return _DELETED if "X" in flags and "x" not in flags and not _operands(rest) else _NOTHING
        if action in ("mv", "rm"):
            inside = all(self.is_inside(path) and not _GLOB.search(path) for path in _operands(rest))
            few = action == "mv" or (len(_operands(rest)) <= _FILES_MAX and "-r" not in options)
            return _DELETED if inside and few and _operands(rest) else _NOTHING
        if action == "restore" and "--staged" in options and not options & {"--worktree", "-W"}:
            return _CHANGED
        return _NOTHING

    def _compose(self, words: Sequence[str]) -> frozenset[Effect]:
        options = {word.partition("=")[0] for word in words if word.startswith("-")}
        if not options.isdisjoint(_COMPOSE_SEVERE):
            return _NOTHING
        files = [words[i + 1] for i, word in enumerate(words[:-1]) if word in ("-f", "--file", "--env-file")]
        action = next((word for word in words if not word.startswith("-") and word not in files), "")
        inside = all(self.is_inside(path) or path.rpartition("/")[2].startswith(".env") for path in files)
        if action not in ("up", "down", "stop", "restart", "start", "build", "create") or not inside:
            return _NOTHING
        return _STOPPED | _DELETED | {"deployment"}

    def _stops_own(self, words: Sequence[str], before: Sequence[str]) -> bool:
        """Whether a process of one's own is ended: a job of this shell, a development server by its name or port."""
        name, *rest = words
        named = _operands(rest)
        if name == "kill":
            return bool(named) and all([_JOB.fullmatch(word) or _PORT_OWNER.search(word) for word in named])
        if name == "xargs" and "kill" in rest:
            return len(before) > 1 and before[0] == "lsof" and any([_PORT.search(word) for word in before[1:]])
        if name in ("pkill", "killall"):
            return len(named) == 1 and any([self._is_server(named[0], each) for each in self._table.servers])
        return name == "fuser" and all([re.fullmatch(r"\d{4,5}/tcp", word) for word in named]) and bool(named)

    def _is_server(self, given: str, server: str) -> bool:
        return given == server or given.startswith(server + " ") or given.endswith((" " + server, "/" + server))


#: The argument that says which of its operations an editing tool carries out.
_OPERATION: Final = (".command", ".operation", ".action", ".mode")
#: Variables, folders of persons, drives, what only the run can tell; and a step up.
_OUTSIDE: Final = re.compile(r"[\x00\x01$~%\\`{}]|^[A-Za-z]:|(?:^|/)\.\.(?:/|$)|://")
_GLOB: Final = re.compile(r"[*?\[]")
_FILE: Final = re.compile(r"[^/.][^/]*\.[A-Za-z0-9]{1,8}$")
#: A named entry below the temporary folder, never the folder itself or a pattern.
_OWN_TEMPORARY: Final = re.compile(r"/(?:var/)?tmp/(?!\.\.?(?:/|$))[\w.-]+(?:/(?!\.\.?(?:/|$))[\w.-]+)*/?")
#: What makes a path of an option's value.
_PATH: Final = re.compile(r"[/~$\\\x00]|^\.\.$")
#: What `find` is told that picks files or takes them away; anything else may write or run.
_FINDS: Final = word_set(
    "-name -iname -type -path -ipath -not -maxdepth -mindepth -depth -prune -print -exec -execdir -delete -empty -mtime"
    " -mmin -size -xdev -mount -f -r -R -fr -rf"
)
#: Options that run something, in whatever program.
_RUNS: Final = re.compile(
    r"--(?:exec|filter|upload-pack|receive-pack|to-command|use-compress-program|checkpoint-action)\b"
)
_LEAVING: Final = frozenset({"ssh", "sudo", "su", "doas", "chroot", "nsenter", "rsh", "mosh", "vagrant", "wsl"})
_GIT_RUNS: Final = frozenset({"-x", "--exec", "--gpg-sign", "-i", "--interactive", "--strategy"})
_COMPOSE_SEVERE: Final = frozenset(
    {"-v", "--volumes", "--rmi", "-H", "--host", "--context", "-c", "--project-directory", "-V", "--renew-anon-volumes"}
)
_JOB: Final = re.compile(r"%[\w+-]*|\x00\$!\x01")
_PORT: Final = re.compile(r"-?t?i?(?:tcp)?:(?:[1-9]\d{3,4})\b")
_PORT_OWNER: Final = re.compile(r"\A\x00\$\(lsof -t ?-?i ?(?:tcp)?:[1-9]\d{3,4}\)\x01\Z")


def _operands(words: Sequence[str]) -> list[str]:
    return [word for word in words if not word.startswith("-")]


def _until_option(words: Sequence[str]) -> Iterator[str]:
    for word in words:
        if word.startswith(("-", "(", "!")):
            return
        yield word


_SED_PROGRAM: Final = frozenset({"-e", "--expression"})
#: A substitution of `sed` with its flags, or an address.
_SUBSTITUTION: Final = re.compile(
    r"s([^\w\s\\])(?:\\.|(?!\1)[^\\])*\1(?:\\.|(?!\1)[^\\])*\1(?P<flags>\w*)|/(?:\\.|[^/\\])*/", re.DOTALL
)
#: Commands and flags of `sed` that reach another file or run something.
_REACHING: Final = re.compile(r"[wWrReE]")


def _files(words: Sequence[str]) -> list[str]:
    """The files that `sed` changes; none where its program is a file's, or reaches another file."""
    programs = [words[i + 1] for i, word in enumerate(words[:-1]) if word in _SED_PROGRAM]
    if any([word in ("-f", "--file") for word in words]):
        return []
    skipped = {i + 1 for i, word in enumerate(words) if word in _SED_PROGRAM}
    operands = [word for i, word in enumerate(words) if i not in skipped and not word.startswith("-")]
    if not programs:
        if "-i" in words and operands[:1] == [""]:  # an empty ending, as BSD has it
            operands = operands[1:]
        programs, operands = operands[:1], operands[1:]
    rest = [_SUBSTITUTION.sub(lambda match: match["flags"] or "", program) for program in programs]
    return [] if any([_REACHING.search(text) for text in rest]) else operands


#: Under these names stands the file that an editing tool changes.
_EDITED: Final = frozenset({"file_path", "path", "notebook_path", "filepath", "file", "filename", "target_file"})
#: Words of which the names of editing tools are made.
_EDITING: Final = word_set(
    "mcp filesystem fs edit write replace search in file files text editor multi create insert apply patch diff"
    " notebook str based tool update append save to string into content block lines line range workspace repo local"
    " delete remove move rename copy"
)
_PATCHED: Final = re.compile(
    r"^(?:\*\*\* (?:Add|Update|Delete) File: |\*\*\* Move to: |\+\+\+ (?:b/)?|--- (?:a/)?)([^\t\n]+)", re.MULTILINE
)


def edited_files(words: Sequence[str], arguments: Sequence[Mapping[str, object]]) -> list[str] | None:
    """The files that a call of an editing tool names, given its name's words; None for any other tool."""
    if not words or not _EDITING.issuperset(words) or len(arguments) != 1:
        return None
    found: list[str] = []
    for key, value in arguments[0].items():
        if key in _EDITED or key in ("source", "destination", "old_path", "new_path", "src", "dest"):
            if not isinstance(value, str):
                return None
            found.append(value)
        elif isinstance(value, str) and ("patch" in words or key in ("patch", "input")):
            found += [path for path in _PATCHED.findall(value) if path.strip() != "/dev/null"]
    return found


# -- files that a run has written

#: Files of a run that are kept; of a run that writes more, each that is run could be one of them.
_WRITTEN_MAX: Final = 64
_ANY: Final = "*"
_UNREAD: Final[tuple[Effect, ...]] = ("unknown",)
#: Under these names stands the whole content of a file.
_CONTENT: Final = ("content", "file_text", "text", "contents")
_WRITERS: Final = frozenset(
    {">", "tee", "cp", "mv", "ln", "sed", "touch", "install", "dd", "truncate", "patch", "curl", "wget"}
)

Written = tuple[str, tuple[Effect, ...]]
#: Reads a program by the name of its file: its effects.
ReadProgram = Callable[[str, str], tuple[Effect, ...]]


def written(
    edited: Sequence[str] | None,
    arguments: Sequence[Mapping[str, object]],
    ran: Sequence[tuple[str, Ran]],
    read: ReadProgram,
) -> list[Written]:
    """The files that a call writes, by the last part of their path, and the effects of running each: those of what is
    written, where that is all of it, else `unknown`."""
    found: list[Written] = []
    whole = [arguments[0][key] for key in _CONTENT if key in arguments[0]] if edited and len(arguments) == 1 else []
    for path in edited or ():
        text = whole[0] if len(whole) == 1 and len(edited or ()) == 1 else None
        found.append((_base(path), read(path, text) if isinstance(text, str) else _UNREAD))
    for _, each in ran:
        name = each.words[0].rpartition("/")[2]
        if name in _WRITERS:
            found += [(_base(word), _UNREAD) for word in each.words[1:] if not word.startswith("-")]
    return found


def kept_written(before: Sequence[Written], new: Sequence[Written]) -> tuple[Written, ...]:
    """The files of a run with those that it has written just now; the latest content counts."""
    names = {name for name, _ in new}
    together = [*[each for each in before if each[0] not in names], *new]
    if len(together) > _WRITTEN_MAX:
        return ((_ANY, _UNREAD), *together[-_WRITTEN_MAX:])
    return tuple(together)


def effects_of_running(files: Sequence[str], before: Sequence[Written]) -> list[Effect]:
    """What running files does that the run itself has written."""
    names = {_base(name) for name in files}
    every = _ANY in names
    return [
        effect for name, effects in before if every or name in names or (names and name == _ANY) for effect in effects
    ]


def _base(path: str) -> str:
    return unicodedata.normalize("NFKC", path.rstrip("/").rpartition("/")[2]).casefold()
