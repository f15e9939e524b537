"""A corpus of texts and requests, read from several threads at once: `python -m tests.at_once [--pure]`.

Prints every reading that differs from what one thread reads alone. With `--pure` sqlglot runs as Python, as where there
is no wheel of its compiled modules.
"""

from __future__ import annotations

import importlib
import json
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from importlib.machinery import SOURCE_SUFFIXES, FileFinder, SourceFileLoader
from pathlib import Path
from random import Random
from typing import Any, Final

Reading = Callable[[], object]

THREADS: Final = 4
#: Seconds between two looks of the interpreter at whose turn it is: as many switches as it can make.
_SWITCH: Final = 1e-6


def use_pure_sqlglot() -> None:
    """Import sqlglot from its sources. Its compiled modules lie beside them, and would be found first."""
    if any(name.partition(".")[0] == "sqlglot" for name in sys.modules):
        raise RuntimeError("sqlglot is imported already: ask for its sources before anything that reads SQL")
    sources = FileFinder.path_hook((SourceFileLoader, SOURCE_SUFFIXES))

    def hook(path: str) -> Any:
        if "sqlglot" not in Path(path).parts:
            raise ImportError(path)
        return sources(path)

    sys.path_hooks.insert(0, hook)
    sys.path_importer_cache.clear()


def compiled_modules() -> list[str]:
    """The modules of sqlglot that are in use and compiled."""
    importlib.import_module("sqlglot.tokenizer_core")
    loaded = [(name, module.__file__ or "") for name, module in list(sys.modules.items()) if name.startswith("sqlglot")]
    return [name for name, file in loaded if not file.endswith(".py")]


def corpus() -> dict[str, Reading]:
    """What is read: every kind of text that has a parser, and whole requests."""
    return dict([*_statements(), *_lines(), *_programs(), *_goals(), *_requests()])


def _statements() -> Iterator[tuple[str, Reading]]:
    from stage0.reading.sql.statements import read_sql
    from tests.reading.test_sql import LEXICON, STATEMENTS

    for sql in STATEMENTS:
        for dialect in (None, "mysql", "tsql"):
            yield f"SQL, {dialect}: {sql}", partial(read_sql, sql, dialect, LEXICON)


def _lines() -> Iterator[tuple[str, Reading]]:
    from stage0.reading.shell.lines import read_shell
    from tests.reading import test_shell as shell

    tables = (shell.FILES, shell.GIT, shell.RUNNING, shell.DATABASES, shell.TOOLS, shell.PACKAGES, shell.GIVEN_AWAY)
    for line, _ in (row for rows in tables for row in shell.table(rows)):
        yield f"shell: {line}", partial(read_shell, line, shell.COMMANDS)


def _programs() -> Iterator[tuple[str, Reading]]:
    from stage0.reading.programs.python import read_python
    from tests.reading.test_python import PROGRAMS, RUN, WARNED

    for text in (*PROGRAMS, *WARNED):
        yield f"Python: {text}", partial(read_python, text, RUN)


def _goals() -> Iterator[tuple[str, Reading]]:
    from tests.reading.test_goal import MEANT, NOT_MEANT, TOGETHER, reading_of

    for goal in (*TOGETHER, *NOT_MEANT, *MEANT):
        yield f"goal: {goal}", partial(reading_of, goal)


def _requests() -> Iterator[tuple[str, Reading]]:
    from stage0.policy import shipped_packs
    from tests.answering import REQUESTS, decided_bytes

    for name, pack in shipped_packs().items():
        for case, body in REQUESTS:
            yield f"{name}: {case}", partial(decided_bytes, body, pack)


def differences(readings: Mapping[str, Reading], rounds: int) -> list[str]:
    """The names of what several threads at once read differently from one thread alone, in the order found."""
    alone = {name: _outcome(read) for name, read in readings.items()}
    found: dict[str, None] = {}
    ready = threading.Barrier(THREADS)

    def work(seed: int) -> None:
        names = list(readings)
        ready.wait()
        for _ in range(rounds):
            Random(seed).shuffle(names)
            found.update((name, None) for name in names if _outcome(readings[name]) != alone[name])

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(THREADS)]
    before = sys.getswitchinterval()
    sys.setswitchinterval(_SWITCH)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(before)
    return list(found)


def _outcome(read: Reading) -> object:
    """What a reading gives; where it raises, what it raises."""
    try:
        return read()
    except Exception as error:
        return repr(error)


if __name__ == "__main__":
    if "--pure" in sys.argv:
        use_pure_sqlglot()
    read = corpus()
    print(json.dumps({"compiled": compiled_modules(), "read": len(read), "different": differences(read, rounds=2)}))
