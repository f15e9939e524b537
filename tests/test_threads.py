"""What reads and decides gives the same from several threads at once as from one."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest

from stage0.reading.programs.python import read_python
from tests.at_once import compiled_modules, corpus, differences
from tests.reading.test_python import WARNED

ROOT: Final = Path(__file__).parent.parent


def _elsewhere(*options: str) -> dict[str, Any]:
    """What a process of its own says of the corpus."""
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-m", "tests.at_once", *options], cwd=ROOT, capture_output=True, check=False
    )
    assert ran.returncode == 0, ran.stderr.decode()
    told: dict[str, Any] = json.loads(ran.stdout)
    return told


def test_several_threads_read_what_one_reads() -> None:
    readings = corpus()
    assert len(readings) > 1000
    assert differences(readings, rounds=3) == []


def test_several_threads_read_what_one_reads_with_sqlglot_in_python() -> None:
    told = _elsewhere("--pure")
    assert told["compiled"] == []
    assert told["read"] > 1000
    assert told["different"] == []


def test_the_tests_run_on_the_compiled_sqlglot() -> None:
    """Else the test above would be the same twice."""
    assert "sqlglot.tokenizer_core" in compiled_modules()


def test_reading_programs_in_several_threads_leaves_the_warnings_of_the_process_as_they_are() -> None:
    """Filters belong to every thread: whoever puts them back late takes away another's."""
    programs = {text: partial(read_python, text) for text in WARNED}
    differences(programs, rounds=200)
    with pytest.raises(UserWarning, match="still an error"):
        warnings.warn("still an error", UserWarning, stacklevel=1)
