"""Python programs: what running one would do, from its syntax tree.

Everything that a program can reach has a name in it somewhere. So every name is judged where it is mentioned, called or
not: what is imported, builtins, attributes of modules, methods. A value is then harmless, whichever way it goes through
variables. What is not known here is `unknown`."""

from __future__ import annotations

import ast
import builtins
import re
import shlex
import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import Final

import msgspec

from stage0.reading.effects import Effect
from stage0.reading.http.address import METHODS
from stage0.reading.http.request import read_request
from stage0.reading.paths import holds_secrets
from stage0.reading.prose.lexicon import Lexicon
from stage0.reading.result import TEXT_LIMIT, UNREAD, ArgumentReading, Seen
from stage0.reading.sql.statements import read_sql

#: Reads a shell command that stands in a program.
Run = Callable[[str], ArgumentReading]


def read_python(text: str, run: Run | None = None, lexicon: Lexicon | None = None) -> ArgumentReading:
    """The effects of a program. `run` reads the shell commands that it runs; without it they are not understood.
    `lexicon` is for the names of functions that its SQL calls.

    Unread where the text is no Python or is too long."""
    if len(text) > TEXT_LIMIT:
        return UNREAD
    try:
        found = _Program(run, lexicon).read(_tree(text))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return UNREAD
    starts = _line_starts(text) if text.isascii() else None
    spans = {(effect, *_span(node, starts, len(text))): None for node, effect in found}
    return ArgumentReading(tuple([Seen(*each) for each in spans] or [Seen("compute", 0, len(text))]))


#: The file that a program is said to stand in, and the filter for what Python warns of there.
_FILE: Final = "<argument>"
_QUIET: Final = ("ignore", None, Warning, re.compile(re.escape(_FILE) + r"\Z"), 0)


def _tree(text: str) -> ast.Module:
    """A program's syntax tree, whatever Python warns of in it (`"\\d"`).

    The filters of warnings belong to all threads. So one that concerns nothing else is put in front of them once, and
    stays: what `warnings.catch_warnings` puts back may be another thread's."""
    if _QUIET not in warnings.filters:
        warnings.filters.insert(0, _QUIET)  # type: ignore[attr-defined]
    return ast.parse(text, _FILE)


def _line_starts(text: str) -> list[int]:
    return [0, *(match.end() for match in re.finditer(r"\r\n|\r|\n", text))]


def _span(node: ast.AST, starts: list[int] | None, length: int) -> tuple[int, int]:
    """Where a node stands; the whole text where the parser counts bytes and the text has other characters."""
    line, end_line = getattr(node, "lineno", 0), getattr(node, "end_lineno", 0)
    if starts is None or not line or not end_line or max(line, end_line) > len(starts):
        return 0, length
    return starts[line - 1] + node.col_offset, starts[end_line - 1] + (node.end_col_offset or 0)  # type: ignore[attr-defined]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# -- What is known -----------------------------------------------------------------------------------------------

#: Modules in which everything computes. What does not stands in `_NAMES`.
_PURE: Final = _words(
    """math cmath json re datetime statistics itertools collections decimal fractions functools string random hashlib
    hmac base64 binascii textwrap time calendar enum dataclasses typing typing_extensions copy heapq bisect zlib
    struct difflib pprint unicodedata numbers html urllib.parse abc __future__ contextlib array zoneinfo
    ipaddress colorsys types fnmatch graphlib keyword secrets uuid csv queue locale gettext argparse getpass
    platform numpy pandas dateutil pytz collections.abc concurrent.futures threading html.parser html.entities
    xml.sax.saxutils tabulate traceback warnings errno stat timeit doctest unittest.mock dis ast tokenize io
    operator logging os.path glob filecmp linecache sys shlex token reprlib bs4 sympy scipy inspect"""
)
#: Modules in which only what stands in `_NAMES` is known.
_KNOWN: Final = _words(
    """os subprocess shutil pathlib requests httpx urllib urllib.request urllib.error urllib3 smtplib tempfile sqlite3
    os.path asyncio email email.message email.mime email.mime.text email.mime.multipart multiprocessing signal
    yaml concurrent xml xml.etree xml.etree.ElementTree zipfile tarfile gzip bz2 configparser tomllib pickle
    socket importlib importlib.metadata importlib.util keyring psutil http http.client"""
)


def _effects(table: dict[tuple[Effect, ...], str]) -> dict[str, tuple[Effect, ...]]:
    """Names by their effects, turned round."""
    return {name: effects for effects, names in table.items() for name in names.split()}


_NAMES: Final = _effects(
    {
        ("delete", "irreversible"): """
        os.remove os.unlink os.truncate os.ftruncate
        """,
        ("delete",): """
        os.rmdir requests.delete httpx.delete
        """,
        ("delete", "bulk"): """
        os.removedirs
        """,
        ("delete", "irreversible", "bulk"): """
        shutil.rmtree
        """,
        ("overwrite",): """
        os.rename os.replace os.renames shutil.move requests.put requests.patch httpx.put httpx.patch
        """,
        ("write", "overwrite"): """
        shutil.copy shutil.copy2 shutil.copyfile shutil.copytree shutil.make_archive shutil.unpack_archive
        """,
        ("compute",): """
        shutil.copyfileobj os.cpu_count os.sep os.linesep os.name os.path os.pathsep os.curdir os.urandom
        os.fspath os.chdir os.umask os.PathLike os.devnull os.error os.getpgid os.terminal_size os.strerror
        os.putenv os.environ os.O_RDONLY os.F_OK os.R_OK os.W_OK os.X_OK os.get_terminal_size os.fsencode
        pathlib.Path pathlib.PurePath pathlib.PosixPath pathlib.PurePosixPath subprocess.PIPE subprocess.DEVNULL
        subprocess.STDOUT subprocess.CalledProcessError subprocess.TimeoutExpired subprocess.CompletedProcess
        shutil.Error asyncio.run asyncio.sleep asyncio.gather asyncio.create_task asyncio.get_event_loop
        asyncio.Queue asyncio.Lock asyncio.wait_for asyncio.TimeoutError asyncio.Semaphore
        email.message.EmailMessage email.message email.mime email.mime.text email.mime.multipart
        email.mime.text.MIMEText concurrent.futures email.mime.multipart.MIMEMultipart yaml.safe_load
        yaml.safe_dump yaml.dump yaml.SafeLoader yaml.YAMLError tomllib.loads tomllib.load
        configparser.ConfigParser urllib.parse urllib.request urllib.error urllib.error.HTTPError
        urllib.error.URLError requests.exceptions requests.Timeout requests.RequestException requests.HTTPError
        requests.exceptions.RequestException httpx.HTTPError httpx.Timeout xml.etree xml.etree.ElementTree
        xml.etree.ElementTree.fromstring xml.etree.ElementTree.tostring xml.etree.ElementTree.Element
        signal.SIGTERM signal.SIGKILL signal.SIGINT signal.SIGHUP signal.signal signal.alarm
        multiprocessing.Pool multiprocessing.cpu_count multiprocessing.Process sqlite3.Row sqlite3.Error
        pickle.dumps zipfile.ZIP_DEFLATED zipfile.BadZipFile http.client http.HTTPStatus gzip.compress
        gzip.decompress socket.gethostname subprocess.SubprocessError email.mime.base
        """,
        ("write",): """
        os.mkdir os.makedirs os.symlink os.link os.utime tempfile.mkdtemp tempfile.mkstemp
        tempfile.NamedTemporaryFile tempfile.TemporaryDirectory tempfile.TemporaryFile logging.FileHandler
        """,
        ("access_change",): """
        os.chmod os.chown os.lchown os.setuid os.setgid shutil.chown
        """,
        ("service_impact",): """
        os.kill os.killpg os.abort os.fork os.forkpty signal.pthread_kill
        """,
        ("read",): """
        os.listdir os.walk os.scandir os.stat os.lstat os.getcwd os.access os.readlink os.getpid os.getppid
        os.uname os.getlogin os.getuid os.getgid os.geteuid os.getloadavg shutil.disk_usage shutil.which
        shutil.get_terminal_size importlib.metadata.version importlib.util.find_spec
        importlib.metadata.distributions importlib.metadata importlib.util xml.etree.ElementTree.parse
        psutil.cpu_percent psutil.virtual_memory psutil.disk_usage psutil.process_iter psutil.cpu_count
        psutil.pids sqlite3.connect tempfile.gettempdir pandas.read_csv pandas.read_json pandas.read_excel
        pandas.read_parquet pandas.read_table pandas.read_feather pandas.read_html pandas.read_xml glob.glob
        glob.iglob linecache.getline filecmp.cmp filecmp.dircmp os.path.exists os.path.isfile os.path.isdir
        os.path.getsize os.path.getmtime os.path.islink
        """,
        ("secret_access",): """
        keyring.get_password
        """,
        ("network_read",): """
        socket.gethostbyname socket.getaddrinfo requests.get requests.head requests.options httpx.get httpx.head
        httpx.options requests.Session requests.session httpx.Client httpx.AsyncClient
        """,
        ("network_read", "write"): """
        requests.post httpx.post
        """,
        ("network_read", "overwrite"): """
        urllib.request.urlretrieve
        """,
        ("external_message",): """
        smtplib.SMTP smtplib.SMTP_SSL
        """,
        ("unknown",): """
        sys.modules sys.settrace sys.setprofile sys._getframe sys.meta_path operator.methodcaller
        operator.attrgetter operator.call types.FunctionType types.CodeType types.ModuleType
        inspect.currentframe io.open io.open_code io.FileIO io.OpenWrapper timeit.timeit timeit.repeat
        timeit.Timer doctest.run_docstring_examples typing.get_type_hints collections.namedtuple.__new__
        logging.config logging.handlers logging.os logging.sys numpy.load numpy.fromfile numpy.save numpy.savez
        numpy.savetxt numpy.memmap numpy.ctypeslib numpy.f2py numpy.testing numpy.DataSource pandas.read_pickle
        pandas.eval pandas.read_sql pandas.read_sql_query pandas.io sympy.sympify sympy.parse_expr
        sympy.lambdify scipy.io glob.os shlex.os random._os csv.io platform.popen json.codecs
        """,
    }
)

#: Modules that others have imported: `glob.os.remove`.
_REACHING: Final = _words(
    """os sys subprocess shutil io importlib builtins socket ctypes pickle posix nt tempfile pathlib signal code pty
    marshal runpy threading inspect linecache codecs"""
)

#: What runs a command of the shell; the first argument is it.
_SHELLS: Final = _words(
    """os.system os.popen subprocess.run subprocess.call subprocess.check_call subprocess.check_output subprocess.Popen
    subprocess.getoutput subprocess.getstatusoutput"""
)
_SAFE_BUILTINS: Final = frozenset(dir(builtins)) - _words(
    """eval exec compile __import__ getattr setattr delattr globals locals vars open breakpoint input help exit quit
    __loader__ __spec__ __build_class__ memoryview copyright credits license"""
) | _words("__name__ __file__ __doc__ exit quit input")

_METHODS: Final = _effects(
    {
        ("read",): """
        namelist readlink owner getnames fetchall absolute walk group fetchmany exists read_text read_bytes
        rglob resolve is_symlink fetchone lstat is_dir glob infolist stat is_file expanduser iterdir samefile
        """,
        ("overwrite",): """
        write_text write_bytes rename rename_axis put patch save savefig to_csv to_excel to_parquet to_json
        to_feather to_html to_sql to_pickle
        """,
        ("write",): """
        touch mkdir symlink_to hardlink_to
        """,
        ("delete", "irreversible"): """
        unlink
        """,
        ("delete",): """
        rmdir truncate delete
        """,
        ("delete", "irreversible", "bulk"): """
        rmtree
        """,
        ("delete", "schema_change"): """
        drop_table
        """,
        ("access_change",): """
        chmod lchmod
        """,
        ("service_impact",): """
        kill terminate send_signal
        """,
        ("external_message",): """
        sendmail send_message
        """,
        ("network_read", "write"): """
        post
        """,
        ("write", "overwrite"): """
        extractall extract
        """,
        ("unknown",): """
        eval exec query system popen load_module exec_module tofile
        """,
    }
)
#: Methods that only compute, whatever they are called on.
_HARMLESS: Final = _words(
    """append extend insert remove pop clear sort reverse index count copy update setdefault items keys values get add
    discard union intersection difference symmetric_difference issubset issuperset isdisjoint fromkeys popitem
    join split rsplit splitlines strip lstrip rstrip upper lower title capitalize casefold swapcase startswith
    endswith find rfind rindex replace format format_map encode decode isdigit isalpha isalnum isspace isupper
    islower isnumeric isdecimal isidentifier zfill center ljust rjust partition rpartition translate maketrans
    expandtabs removeprefix removesuffix hex fromhex to_bytes from_bytes bit_length bit_count as_integer_ratio
    is_integer conjugate group groups groupdict span start end match search fullmatch findall finditer sub subn
    strftime strptime isoformat fromisoformat timestamp fromtimestamp date time now today utcnow total_seconds
    weekday isoweekday astimezone combine replace_tzinfo utcoffset read readline readlines write writelines
    close flush seek tell fileno readable writable seekable isatty getvalue digest hexdigest new quantize sqrt
    normalize to_integral_value most_common elements subtract total appendleft popleft extendleft rotate
    move_to_end json raise_for_status iter_content iter_lines text info getheader getheaders head tail describe
    groupby agg aggregate mean sum min max median mode std var quantile corr nunique unique value_counts
    sort_values sort_index reset_index set_index merge concat apply map applymap filter fillna dropna isna notna
    isnull notnull astype to_dict to_list tolist to_numpy to_string to_datetime iterrows itertuples iloc loc
    pivot pivot_table melt rolling cumsum cumprod diff shift rank nlargest nsmallest sample drop_duplicates
    duplicated between isin where mask clip round abs dot reshape transpose flatten ravel argmax argmin argsort
    any all prod linspace arange zeros ones cross choice choices shuffle randint random uniform seed commit
    cursor rollback result done submit cancel put_nowait get_nowait is_alive with_suffix with_name with_stem
    joinpath relative_to as_posix is_absolute match parts writerow writerows writeheader loads dumps load dump
    communicate wait poll add_argument parse_args parse_known_args print_help getLogger debug info warning error
    exception basicConfig acquire release set is_set total_ordering cache_clear wraps register next_value
    send_value find_all select select_one get_text prettify iter findtext itertext getroot lstrip print hasattr
    getsize getmtime isfile isdir dirname basename splitext abspath sections options mro isatty setlevel gather
    create_task run_until_complete qsize empty full task_done stdout stderr"""
)
_ATTRIBUTE_DUNDERS: Final = _words(
    "__name__ __doc__ __version__ __len__ __init__ __file__ __str__ __repr__ __annotations__"
)
_SECRET_NAME: Final = re.compile(r"secret|token|passw|credential|api_?key|private|_key\b|auth", re.IGNORECASE)

# -- Reading -----------------------------------------------------------------------------------------------------

_Found = tuple[ast.AST, Effect]


class _Program:
    """One program: the names that it binds, and what was found so far."""

    def __init__(self, run: Run | None, lexicon: Lexicon | None) -> None:
        self.run = run
        self.lexicon = lexicon
        #: Names bound by imports, with what they stand for.
        self.imported: dict[str, str] = {}
        #: Every other name that the program binds, and the methods that it defines.
        self.bound: set[str] = set()
        self.found: list[_Found] = []
        self.secrets: list[ast.AST] = []
        #: Attributes that were judged together with the call or the index around them.
        self.judged: set[int] = set()

    def read(self, tree: ast.Module) -> list[_Found]:
        """Every effect with its node."""
        nodes = list(ast.walk(tree))
        for node in nodes:
            self._bind(node)
        for node in nodes:
            for effect in self._judge(node):
                self.found.append((node, effect))
        if any([effect in {"read", "unknown", "export", "network_read"} for _, effect in self.found]):
            self.found.extend((node, "secret_access") for node in self.secrets)
        return self.found

    def _bind(self, node: ast.AST) -> None:
        if isinstance(node, ast.Import):
            for alias in node.names:
                self.imported[alias.asname or alias.name.partition(".")[0]] = (
                    alias.name if alias.asname else alias.name.partition(".")[0]
                )
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                self.imported[alias.asname or alias.name] = f"{node.module}.{alias.name}"
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            self.bound.add(node.name)
        elif isinstance(node, ast.arg):
            self.bound.add(node.arg)
        elif isinstance(node, ast.ExceptHandler) and node.name:
            self.bound.add(node.name)
        elif isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            self.bound.add(node.id)
        elif isinstance(node, (ast.MatchAs, ast.MatchStar)) and node.name:
            self.bound.add(node.name)

    def _judge(self, node: ast.AST) -> Iterable[Effect]:
        if isinstance(node, ast.Call):
            return self._call(node)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            return self._name(node)
        if isinstance(node, ast.Attribute):
            return self._attribute(node)
        if isinstance(node, ast.Subscript):
            return self._subscript(node)
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            return self._import(node)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and holds_secrets(node.value):
            self.secrets.append(node)
        return ()

    def _import(self, node: ast.Import | ast.ImportFrom) -> Iterator[Effect]:
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        else:
            if node.level or node.module is None:
                yield "unknown"
                return
            modules = [node.module]
            for alias in node.names:
                if alias.name == "*" and node.module not in _PURE:
                    yield "unknown"
        for module in modules:
            if module not in _PURE and module not in _KNOWN and module.partition(".")[0] not in _PURE:
                yield "unknown"

    def _path(self, node: ast.expr) -> str | None:
        """What a dotted name stands for, where it begins with something imported."""
        parts: list[str] = []
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        if not isinstance(node, ast.Name):
            return None
        root = self.imported.get(node.id)
        return None if root is None else ".".join([root, *reversed(parts)])

    def _name(self, node: ast.Name) -> Iterable[Effect]:
        if id(node) in self.judged:
            return ()
        if node.id in self.imported:
            path = self.imported[node.id]
            if path in _PURE or path in _KNOWN:
                return () if node.id not in self.bound else ("unknown",)
            return self._imported(path)
        if node.id in self.bound or node.id in _SAFE_BUILTINS:
            return ()
        return ("unknown",)

    def _imported(self, path: str) -> tuple[Effect, ...]:
        """The effects of what a module holds."""
        if path in _SHELLS or path in {"os.environ", "os.getenv"}:
            return (
                ("secret_access",) if path.startswith("os.e") or path == "os.getenv" else ("code_execution", "unknown")
            )
        known = _NAMES.get(path)
        if known is not None:
            return known
        if path in _PURE or path in _KNOWN:
            return ()
        parts = path.split(".")
        if any(part.startswith("__") and part not in _ATTRIBUTE_DUNDERS for part in parts):
            return ("unknown",)
        for count in range(len(parts) - 1, 0, -1):
            module = ".".join(parts[:count])
            if not _REACHING.isdisjoint(part.lstrip("_") for part in parts[count:]):
                return ("unknown",)  # a module that this one has imported itself
            if module in _NAMES:
                # An attribute of something known: a method of it.
                return _NAMES[module] if "unknown" in _NAMES[module] else self._method(parts[count])
            if module in _PURE:
                return ("unknown",) if parts[count].startswith("_") else ()
        return ("unknown",)

    def _attribute(self, node: ast.Attribute) -> Iterable[Effect]:
        if id(node) in self.judged:
            return ()
        path = self._path(node)
        if path is not None:
            self._settle(node)
            return self._imported(path)
        name = node.attr
        if name.startswith("__") and name not in _ATTRIBUTE_DUNDERS:
            return ("unknown",)
        if name in self.bound or not isinstance(node.ctx, ast.Load):
            return ()
        return _METHODS.get(name, ())

    def _settle(self, node: ast.expr) -> None:
        """Take a dotted name as judged, all of its parts."""
        while isinstance(node, ast.Attribute):
            self.judged.add(id(node))
            node = node.value
        self.judged.add(id(node))

    def _method(self, name: str) -> tuple[Effect, ...]:
        if name in _METHODS:
            return _METHODS[name]
        return () if name in _HARMLESS or name in self.bound else ("unknown",)

    def _subscript(self, node: ast.Subscript) -> Iterable[Effect]:
        if self._path(node.value) != "os.environ":
            return ()
        self._settle(node.value)
        if not isinstance(node.ctx, ast.Load):
            return ("compute",)
        return _variable(node.slice)

    def _call(self, node: ast.Call) -> Iterable[Effect]:
        path = self._path(node.func)
        if path is not None:
            return self._known_call(node, path)
        if isinstance(node.func, ast.Name):
            if node.func.id == "open" and "open" not in self.bound:
                self._settle(node.func)
                return _open_effects(node, 1)
            return ()
        if isinstance(node.func, ast.Attribute):
            return self._method_call(node, node.func)
        return ()

    def _known_call(self, node: ast.Call, path: str) -> Iterable[Effect]:
        if path in _SHELLS:
            self._settle(node.func)
            return self._shell(node)
        if path in {"os.getenv", "os.environ.get"}:
            self._settle(node.func)
            return _variable(node.args[0]) if node.args else ("secret_access",)
        if path in {"io.open", "gzip.open", "bz2.open", "zipfile.ZipFile", "tarfile.open"}:
            self._settle(node.func)
            return _open_effects(node, 1)
        if path.startswith("os.environ."):
            self._settle(node.func)
            return ("compute",) if path.endswith((".setdefault", ".update", ".pop")) else ("secret_access",)
        if path in {"requests.request", "httpx.request"}:
            self._settle(node.func)
            method, url = (*node.args[:2], None, None)[:2]
            return (*_request_effects(method), *self._asked(node, _literal(method).lower(), url))
        module, _, method_name = path.rpartition(".")
        if module in {"requests", "httpx"} and method_name in METHODS:
            self._settle(node.func)
            done = _BY_METHOD.get(method_name.upper(), ("unknown",))
            return (*done, *self._asked(node, method_name, node.args[0] if node.args else None))
        if path in {"urllib.request.urlopen", "urllib.request.Request"}:
            self._settle(node.func)
            return _fetch_effects(node)
        return ()

    def _asked(self, node: ast.Call, method: str, url: ast.expr | None) -> tuple[Effect, ...]:
        """What a request asks for by its address and its body, as far as they are literals."""
        if self.lexicon is None:
            return ()
        keywords = {keyword.arg: keyword.value for keyword in node.keywords}
        address = _literal(url if url is not None else keywords.get("url"))
        given = [keywords[name] for name in ("json", "data", "content") if name in keywords]
        given += node.args[1:2] if method in ("post", "put", "patch") else []
        return read_request(method, address, tuple([_body(each) for each in given]), self.lexicon)

    def _method_call(self, node: ast.Call, func: ast.Attribute) -> Iterable[Effect]:
        name = func.attr
        if name in self.bound:
            return ()
        if name == "open":
            return _open_effects(node, 0)
        if name == "replace" and len(node.args) == 1 and not node.keywords:
            return ("overwrite",)  # of a path, not of a text
        if name in {"execute", "executemany", "executescript"}:
            return _statement(node, self.lexicon)
        if name in _METHODS:
            return ()  # its mention was judged
        return () if name in _HARMLESS else ("unknown",)

    def _shell(self, node: ast.Call) -> Iterable[Effect]:
        """The effects of a command that is run: as text, or as a list of words."""
        first = node.args[0] if node.args else next((k.value for k in node.keywords if k.arg == "args"), None)
        text, whole = _command(first)
        if text is None or self.run is None:
            return ("code_execution", "unknown")
        reading = self.run(text)
        effects: list[Effect] = [seen.effect for seen in reading.seen] if reading.read else ["unknown"]
        return effects if whole else [*effects, "unknown"]


def _command(node: ast.expr | None) -> tuple[str | None, bool]:
    """The shell text of an argument, and whether nothing in it could be more than one word."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value, True
    if isinstance(node, ast.JoinedStr):
        parts = [str(v.value) if isinstance(v, ast.Constant) else "$x" for v in node.values]
        return "".join(parts), False
    if isinstance(node, (ast.List, ast.Tuple)) and node.elts:
        return " ".join(map(_word, node.elts)), True
    return None, False


def _word(node: ast.expr) -> str:
    if isinstance(node, ast.Constant):
        return shlex.quote(str(node.value))
    return '"$x"'


def _variable(node: ast.expr) -> tuple[Effect, ...]:
    """Reading one variable of the environment."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and not _SECRET_NAME.search(node.value):
        return ("read",)
    return ("secret_access",)


def _open_effects(node: ast.Call, at: int) -> tuple[Effect, ...]:
    """The effects of `open`, by its mode."""
    mode: ast.expr | None = node.args[at] if len(node.args) > at else None
    for keyword in node.keywords:
        if keyword.arg == "mode":
            mode = keyword.value
        elif keyword.arg == "opener" or keyword.arg is None:
            return ("unknown",)
    if any(isinstance(argument, ast.Starred) for argument in node.args):
        return ("unknown",)
    if mode is None:
        return ("read",)
    if not isinstance(mode, ast.Constant) or not isinstance(mode.value, str):
        return ("unknown",)
    if "w" in mode.value or "+" in mode.value:
        return ("overwrite",)
    return ("write",) if set(mode.value) & {"a", "x"} else ("read",)


def _literal(node: ast.expr | None) -> str:
    """A text that stands in the program; of one with values in it, what stands around them."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join([_literal(part) if isinstance(part, ast.Constant) else "x" for part in node.values])
    if isinstance(node, ast.BinOp):
        return _literal(node.left) + _literal(node.right)
    return ""


def _body(node: ast.expr) -> str:
    """A body as it is sent, where it is a literal; empty where it is none."""
    try:
        value = ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        return _literal(node)
    if isinstance(value, str):
        return value
    try:
        return msgspec.json.encode(value).decode()
    except (TypeError, ValueError, msgspec.MsgspecError):
        return ""


def _request_effects(method: ast.expr | None) -> tuple[Effect, ...]:
    """The effects of a request, by its method."""
    name = method.value.upper() if isinstance(method, ast.Constant) and isinstance(method.value, str) else ""
    return _BY_METHOD.get(name, ("unknown",))


_BY_METHOD: Final[dict[str, tuple[Effect, ...]]] = {
    **dict.fromkeys(["GET", "HEAD", "OPTIONS"], ("network_read",)),
    "POST": ("network_read", "write"),
    "PUT": ("overwrite",),
    "PATCH": ("overwrite",),
    "DELETE": ("delete",),
}


def _fetch_effects(node: ast.Call) -> tuple[Effect, ...]:
    """The effects of `urlopen` and `Request`: with data they send, with a method they do what it says."""
    keywords = {keyword.arg: keyword.value for keyword in node.keywords}
    if "method" in keywords:
        return _request_effects(keywords["method"])
    if None in keywords:
        return ("unknown",)
    return ("network_read", "write") if "data" in keywords or len(node.args) > 1 else ("network_read",)


def _statement(node: ast.Call, lexicon: Lexicon | None) -> tuple[Effect, ...]:
    """The effects of SQL that is executed; what is not a literal is not known."""
    first = node.args[0] if node.args else None
    if not isinstance(first, ast.Constant) or not isinstance(first.value, str):
        return ("unknown",)
    reading = read_sql(first.value, None, lexicon)
    return tuple(seen.effect for seen in reading.seen) if reading.read and reading.seen else ("unknown",)
