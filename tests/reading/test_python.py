"""Python programs are read from their syntax tree; what is not known in them is said to be so."""

from __future__ import annotations

import warnings
from functools import partial
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stage0.policy import shipped_packs
from stage0.reading.programs.python import read_python
from stage0.reading.result import TEXT_LIMIT
from stage0.reading.shell.lines import read_shell

RUN: Final = partial(read_shell, commands=shipped_packs()["stage0-default"].knowledge.commands)


def effects_of(text: str) -> set[str] | None:
    """The effects of a program; None where it cannot be read."""
    reading = read_python(text, RUN)
    return {seen.effect for seen in reading.seen} if reading.read else None


PROGRAMS: Final[dict[str, set[str]]] = {
    "print(1 + 1)": {"compute"},
    "# nothing": {"compute"},
    "import math\nprint(math.sqrt(2))": {"compute"},
    "from collections import Counter\nprint(Counter('abc').most_common(1))": {"compute"},
    "x = [n for n in range(9) if n % 2]\nx.remove(1)\nprint(sum(x))": {"compute"},
    "def f(n):\n    return n * f(n - 1) if n else 1\nprint(f(5))": {"compute"},
    "import json\nprint(json.dumps({'a': 1}))": {"compute"},
    "import datetime as d\nprint(d.datetime(2024, 1, 1).isoformat())": {"compute"},
    "print('a'.replace('a', 'b'))": {"compute"},
    "print('os.remove')": {"compute"},
    "try:\n    1 / 0\nexcept ZeroDivisionError as e:\n    print(e)": {"compute"},
    "import numpy as np\nprint(np.mean([1, 2]))": {"compute"},
    "print(open('a.txt').read())": {"read"},
    "with open('a.txt', 'w') as f:\n    f.write('x')": {"overwrite"},
    "open('a.txt', mode='a')": {"write"},
    "open('a.txt', MODE := 'w')": {"unknown"},
    "open('.env').read()": {"read", "secret_access"},
    "from pathlib import Path\nprint(Path('a').read_text())": {"read", "compute"},
    "from pathlib import Path\nPath('a').write_text('x')": {"overwrite", "compute"},
    "from pathlib import Path\nPath('a').unlink()": {"delete", "irreversible", "compute"},
    "from pathlib import Path\np = Path('a')\np.replace('b')": {"overwrite", "compute"},
    "import os\nos.remove('a')": {"delete", "irreversible"},
    "import os as o\no.unlink('a')": {"delete", "irreversible"},
    "from os import remove as r\nr('a')": {"delete", "irreversible"},
    "import os\nlist(map(os.remove, ['a']))": {"delete", "irreversible"},
    "import os\nf = os.remove\nf('a')": {"delete", "irreversible"},
    "import shutil\nshutil.rmtree('a')": {"delete", "irreversible", "bulk"},
    "import shutil\nshutil.move('a', 'b')": {"overwrite"},
    "import os\nos.chmod('a', 0o777)": {"access_change"},
    "import os\nos.kill(1, 9)": {"service_impact"},
    "import os\nprint(os.listdir('.'))": {"read"},
    "import os\nprint(os.path.join('a', 'b'))": {"compute"},
    "import os\nprint(os.environ['HOME'])": {"read"},
    "import os\nos.environ['DEBUG'] = '1'": {"compute"},
    "import os\nprint(os.environ['API_KEY'])": {"secret_access"},
    "import os\nprint(os.getenv('DB_PASSWORD'))": {"secret_access"},
    "import os\nprint(dict(os.environ))": {"secret_access"},
    "import os\nos.system('rm a')": {"delete", "irreversible"},
    "import os\nos.system('ls')": {"read"},
    "import os\nos.system(f'rm {x}')": {"delete", "irreversible", "bulk", "unknown"},
    "import subprocess\nsubprocess.run(['git', 'push', '-f'])": {"overwrite", "irreversible"},
    "import subprocess\nsubprocess.run('ls -la', shell=True)": {"read"},
    "import subprocess\nsubprocess.run(['ls', 'a; rm b'])": {"read"},
    "import subprocess as s\ns.run(c)": {"code_execution", "unknown"},
    "import requests\nprint(requests.get('https://x').json())": {"network_read"},
    "import requests\nrequests.post('https://x', json={})": {"network_read", "write"},
    "import requests\nrequests.delete('https://x')": {"delete"},
    "import requests\nrequests.request('DELETE', 'https://x')": {"delete"},
    "from urllib.request import urlopen\nurlopen('https://x')": {"network_read"},
    "import urllib.request\nurllib.request.urlopen('https://x', data=b'x')": {"network_read", "write"},
    "import smtplib\ns = smtplib.SMTP('x')\ns.sendmail('a', 'b', 'c')": {"external_message"},
    "import sqlite3\nc = sqlite3.connect('d')\nc.execute('DELETE FROM t WHERE id = 1')": {"read", "delete"},
    "import sqlite3\nc = sqlite3.connect('d')\nc.execute('SELECT 1')": {"read"},
    "import pandas as pd\nprint(pd.read_csv('a.csv').head())": {"read"},
    "import pandas as pd\npd.DataFrame().to_csv('a.csv')": {"overwrite"},
}


@pytest.mark.parametrize(("text", "effects"), PROGRAMS.items(), ids=PROGRAMS)
def test_a_program_says_what_it_does(text: str, effects: set[str]) -> None:
    found = effects_of(text)
    assert found is not None
    assert found - {"compute"} == effects - {"compute"}
    assert found


@pytest.mark.parametrize(
    "text",
    [
        "eval('1')",
        "exec(x)",
        "e = eval\ne('1')",
        "print(compile('1', '', 'eval'))",
        "__import__('os').remove('a')",
        "getattr(x, 'y')()",
        "import os\ngetattr(os, 'rem' + 'ove')('a')",
        "import importlib\nimportlib.import_module('os')",
        "import pickle\npickle.loads(b'')",
        "import ctypes",
        "from os import *",
        "from . import x",
        "import mine",
        "().__class__.__bases__[0].__subclasses__()",
        "globals()['x']",
        "import sys\nsys.modules['os'].remove('a')",
        "import builtins\nbuiltins.eval('1')",
        "df.head()",
        "import socket\nsocket.socket().connect(('x', 1))",
        "import os\nos.execv('/bin/sh', ['sh'])",
        "import random\nrandom._os.remove('a')",
        "import shlex\nshlex.os.remove('a')",
        "import operator\noperator.methodcaller('unlink')(p)",
        "import io\nio.open_code('x')",
        "from functools import reduce\nimport types\ntypes.FunctionType(x, {})",
        "x = 1\nx.frobnicate()",
        "import argparse\nargparse._os.system('ls')",
    ],
)
def test_what_is_not_known_is_unknown(text: str) -> None:
    found = effects_of(text)
    assert found is not None
    assert "unknown" in found


#: Programs that Python warns of when it parses them.
WARNED: Final = (
    "print('\\d')",
    "import os\nos.remove('\\d')",
    "print(1if True else 0)",
    "open('\\w').read()\nx = '\\s'",
)


@pytest.mark.parametrize("text", WARNED)
def test_a_program_that_python_warns_of_is_read_and_nobody_is_warned(text: str) -> None:
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        assert effects_of(text)
    assert warned == []


@pytest.mark.parametrize(
    "text", ["print(", "x = = 1", "\0", "(" * 5000 + ")" * 5000, "x" * (TEXT_LIMIT + 1)], ids=lambda text: text[:5]
)
def test_what_is_no_python_is_unread(text: str) -> None:
    assert effects_of(text) is None


def test_without_a_reader_of_shell_commands_they_are_unknown() -> None:
    reading = read_python("import os\nos.system('ls')")
    assert {seen.effect for seen in reading.seen} == {"code_execution", "unknown"}


def test_a_sighting_shows_what_was_meant() -> None:
    text = "import os\nprint(1)\nos.remove('a')\n"
    spans = {text[seen.start : seen.end] for seen in read_python(text).seen if seen.effect == "delete"}
    assert spans == {"os.remove"}


@given(st.sampled_from([text for text, effects in PROGRAMS.items() if "delete" in effects]), st.data())
def test_no_place_hides_a_delete(text: str, data: st.DataObject) -> None:
    body = "\n".join("    " + line for line in text.splitlines())
    wrapped = data.draw(
        st.sampled_from(
            ["def f():\n{}\n", "if 0:\n{}\n", "class A:\n{}\n", "try:\n{}\nfinally:\n    pass\n", "for _ in []:\n{}\n"]
        )
    )
    found = effects_of(wrapped.replace("{}", body))
    assert found is not None
    assert "delete" in found


@given(st.text(max_size=200))
def test_any_text_is_read_or_said_to_be_unread(text: str) -> None:
    reading = read_python(text, RUN)
    assert bool(reading.seen) == reading.read
    assert all(0 <= seen.start <= seen.end <= len(text) for seen in reading.seen)
