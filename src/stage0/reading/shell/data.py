"""Where data goes in a shell command: secrets that it prints, searches for or sends, files that leave the machine, and
files that it puts somewhere. And which scripts of a project are severe by their name."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Final, NamedTuple

import msgspec

from stage0.reading.effects import Effect
from stage0.reading.http.address import METHODS
from stage0.reading.paths import effects_of_writing
from stage0.reading.shell.table import CLOSE, OPEN, Line

#: Longer names and patterns are not looked into.
_LONG: Final = 300

# -- Scripts of a project --------------------------------------------------------------------------------------------

_SEVERE: Final = re.compile(
    r"deploy|delet|destroy|drop(?!down)|purge|wipe|nuke|reset|migrat|roll_?-?back|release|publish|uninstall"
    r"|tear_?-?down|restore|fail_?-?over|payout|refund|payment|send(?!er)|mail(?:er|ing)?s?\b|prune|shutdown|reboot|seed"
    r"|grant|revoke|rollout|\bship\b|\bpromote|\bterminate|db[:_-]down\b"
    r"|clean\w*[:_./-](?:.*[:_./-])?(?:db|database|data|prod|production|s3|bucket|users?)\b",
    re.IGNORECASE,
)
#: Scripts that begin or end so change nothing elsewhere, whatever else their name says.
_EVERYDAY: Final = re.compile(
    r"(?:(?:test|tests|lint|format|fmt|check|dev|start|watch|storybook|validate|verify|type-?check|tsc|e2e|coverage|docs)"
    r"(?:$|[:_./-]).*|(?:build|compile|bundle|assemble|package|debug|run)(?:[:_./-](?!.*(?:deploy|publish)).*)?"
    r"|e?mails?[:_-](?:dev|build|preview|export|start)"
    r"|.*[:_./-](?:dry|dry-?run|status|list|generate|create|make|new|diff|validate|check|plan|test|tests|lint))\Z",
    re.IGNORECASE,
)


def is_severe_script(name: str) -> bool:
    """Whether a script of a project, which is not looked into, does something severe by its name."""
    return len(name) > _LONG or (bool(_SEVERE.search(name)) and not _EVERYDAY.match(name))


# -- Secrets in variables --------------------------------------------------------------------------------------------

_HIDDEN_NAME: Final = (
    r"(?!\w{0,60}(?:MAX|NUM|N|COUNT|TOTAL)_TOKENS?\b)"
    r"(?:\w{0,60}_)?(?:SECRETS?|TOKENS?|PASSWORDS?|PASSWD|PASSPHRASE|PASS|PWD|PAT|API_?KEYS?|APIKEYS?|ACCESS_?KEY|SECRET_?KEY"
    r"|PRIVATE_?KEY|SIGNING_?KEY|ENCRYPTION_?KEY|MASTER_?KEY|AUTH_?KEY|SSH_?KEY|CREDENTIALS?|CREDS|\w{1,30}TOKEN|\w{1,30}PASSWORD)"
    r"(?:_(?:KEY|VALUE|BASE|BASE64|B64|PROD|PRODUCTION|DEV|STAGING|TEST|LIVE|OLD|NEW|ACCESS_KEY|\d+))*"
)
_SECRET_VARIABLE: Final = re.compile(
    rf"{OPEN}\$\{{?!?(?!(?:OLD)?PWD\b|GOOGLE_APPLICATION_CREDENTIALS\b){_HIDDEN_NAME}(?!\w)(?!:?\+)", re.IGNORECASE
)


def secret_variable(word: str) -> bool:
    """Whether a word has the value of a variable in it that holds a secret by its name."""
    return OPEN in word and _SECRET_VARIABLE.search(word) is not None


# -- Requests --------------------------------------------------------------------------------------------------------


class Request(NamedTuple):
    """What a line sends: its method in lower case, its address, and its bodies as far as they stand in the line."""

    method: str
    address: str
    bodies: tuple[str, ...]


_ITEM: Final = re.compile(r"([A-Za-z_][\w.\[\]-]*)(:?=)(?![=@])(.*)", re.DOTALL)


def request_of(line: Line) -> Request:
    """The request of a line of `curl`, `http` and their like."""
    http, options = line.node.http, line.options
    bodies = [value for option in http.body for value in options.get(option, ()) if not value.startswith("@")]
    addresses = [*[value for option in http.address for value in options.get(option, ())], *line.args]
    if http.http == "httpie":
        word = line.node.path.rpartition(" ")[2].lower()
        items = [match for arg in line.args[1:] if (match := _ITEM.fullmatch(arg))]
        if items:
            bodies.append(msgspec.json.encode({match[1]: match[3] for match in items}).decode())
        method = word if word in METHODS else ""
    else:
        given = [value.lower() for option in http.method for value in options.get(option, ())]
        method = given[-1] if given else ""
    if not method:
        method = "post" if bodies and options.keys().isdisjoint(http.asks) else "get"
    return Request(method, addresses[0] if addresses else "", tuple(bodies))


# -- Searching for secrets -------------------------------------------------------------------------------------------

_HIDDEN_WORD: Final = (
    r"(?:\w+[_-]?)?(?:secrets?|tokens?|passwords?|passwd|passphrase|pwd|(?:api|access|private|secret|auth|signing)"
    r"(?:[_ .-]|\[[_ .-]+\])?\??keys?|credentials?|creds|bearer|authorization)(?:[_-]?key|[_-]?id)?"
)
_HIT: Final = (
    r"(?:-*\s*BEGIN[\w .*+|()?\[\]-]{0,40}(?:PRIVATE|RSA|OPENSSH|EC|DSA)[\w .*-]*"
    r"|(?:AKIA|ASIA|ghp_|gho_|github_pat_|sk_live|sk-|xox[abp]|AIza|eyJ)\S*)"
)
_ASSIGNED: Final = r"""(?:(?:\\?s|\\?[*+?]| |\[:?space:?\]|\[[^\]]{0,12}\])*(?:[=:]|\[[^\]]*=[^\]]*\]).{0,40})"""
_ONE: Final = re.compile(rf"\W*{_HIDDEN_WORD}\W*\Z", re.IGNORECASE)
_ASSIGNING: Final = re.compile(rf"[\^(\\b]*{_HIDDEN_WORD}\)?{_ASSIGNED}\Z", re.IGNORECASE)
_HITS: Final = re.compile(rf"\W*{_HIT}\Z")
_ANY_WORD: Final = re.compile(r"secret|token|passw|api.?key|private.?key|credential|bearer|auth", re.IGNORECASE)
_WEAK: Final = re.compile(r"\W*(?:tokens?|authorization|bearer|\w+[_-]?tokens?)\W*\Z", re.IGNORECASE)
_ALTERNATIVES: Final = re.compile(r"\\?\|")
#: Options with which no matching line is shown.
_SHOWING_NONE: Final = frozenset(
    (
        "-l",
        "-L",
        "-c",
        "-q",
        "--files-with-matches",
        "--files-without-match",
        "--count",
        "--quiet",
        "--silent",
        "--files",
    )
)
_DOTFILE: Final = re.compile(
    r"(?:^|/)\.(?!$|/|\.|github|git(?:ignore|attributes|lab|modules)|eslint|prettier|vscode|circleci|travis|husky|docker"
    r"|editorconfig|storybook|env\.(?:example|sample|template|dist))"
)
_BROAD: Final = re.compile(r"(?:/|~|~/.*|/(?:etc|home|root|var|opt|srv|Users|mnt|proc)(?:/.*)?|\.\.?/?|\*|\./\*)\Z")
_NARROWED: Final = ("--include", "-t", "--type", "-g", "--glob")


def searches_secrets(line: Line, feeder: str) -> bool:
    """Whether a search shows the secrets that it finds: an identifier is looked for in code, a secret anywhere."""
    options = line.options
    if not _SHOWING_NONE.isdisjoint(options):
        return False
    patterns = [*options.get("-e", ()), *options.get("--regexp", ())]
    paths = line.args
    if not patterns:
        patterns, paths = line.args[:1], line.args[1:]
    patterns = [pattern for pattern in patterns if len(pattern) <= _LONG]
    if feeder == "git":
        return any([_hunts(pattern, broad=False) for pattern in patterns])
    if feeder in {"history", "fc"}:
        return any([_ANY_WORD.search(pattern) for pattern in patterns])
    walks = bool(line.node.disclosure.walks)
    recursive = walks or not options.keys().isdisjoint({"-r", "-R", "--recursive", "--dereference-recursive"})
    dotfiles = any([_DOTFILE.search(path) for path in paths])
    if not (recursive or dotfiles):
        return False
    if walks and not paths and feeder:
        return False
    hidden = not options.keys().isdisjoint({"-u", "--unrestricted", "--hidden", "-.", "--no-ignore"})
    broad = dotfiles or any([_BROAD.match(path) for path in paths if not (walks and path in {".", "./"})])
    broad = broad or hidden or (not walks and not paths)
    narrowed = not options.keys().isdisjoint(_NARROWED)
    return any([_hunts(pattern, broad=broad and not narrowed) for pattern in patterns])


def _hunts(pattern: str, *, broad: bool) -> bool:
    """Whether a pattern finds secrets: only names of secrets, more than one or in many places, or their values."""
    parts = [part for part in _ALTERNATIVES.split(pattern) if part]
    if not parts:
        return False
    if any([_HITS.match(part) for part in parts]):
        return True
    if all([_ONE.match(part) or _ASSIGNING.match(part) for part in parts]):
        if len(parts) > 1:
            return not all([_WEAK.match(part) for part in parts])
        return broad and not _WEAK.match(parts[0])
    return _ASSIGNING.match(_GROUP.sub("secret", pattern)) is not None and broad


_GROUP: Final = re.compile(rf"\((?:{_HIDDEN_WORD}(?:\\?\|(?=\w)|(?=\))))+\)", re.IGNORECASE)

# -- Sending and fetching --------------------------------------------------------------------------------------------

_CREDENTIAL_HEADER: Final = re.compile(
    r"[\w-]{0,60}(?:auth|token|key|secret|cookie|session|signature)[\w-]{0,60}\s*:", re.IGNORECASE
)
_HEADERS: Final = frozenset({"-H", "--header"})
#: Options whose value is a file in any case, and those that send what they are given as it stands.
_FILES: Final = frozenset({"-T", "--upload-file", "--post-file", "--body-file"})
_VERBATIM: Final = frozenset({"--data-raw", "--form-string", "--post-data", "--body-data", "-A", "--user-agent"})
_OF_FILE: Final = re.compile(r"@|[\w-]+=[@<]|[\w.-]+:?=?@(?=[\w./~-]+\Z)")
_USERINFO: Final = re.compile(r"(?<=//)[^/@?#]*@")
_HOST: Final = re.compile(r"(?:[a-z][a-z0-9+.-]*:)?(?://)?(?:[^/@?#]*@)?(\[[^\]]*\]|[^/:?#]*)", re.IGNORECASE)
_NEAR: Final = re.compile(
    r"(?:localhost|[\w.-]+\.local(?:host)?|127(?:\.\d{1,3}){3}|0\.0\.0\.0|\[?::1\]?|[a-z][\w-]*)\Z", re.IGNORECASE
)
_SUBSTITUTED: Final = re.compile(rf"{OPEN}(?:\$\(|`)([^{CLOSE}]*?)[)`]?{CLOSE}")
_WHOLE_HOST: Final = re.compile(rf"\A(?:https?://)?{OPEN}(?:\$\(|`)[^{CLOSE}]*{CLOSE}(?=[:/?]|\Z)")
#: Commands whose output says nothing of what is kept here, and those that only pass on what they are fed.
_TELLS_LITTLE: Final = re.compile(
    r"\s*(?:uname|date|arch|uuidgen|seq|nproc|lsb_release|dpkg\s+--print-architecture|expr|echo|printf|curl|wget|http|jq\s+-n\w*"
    r"|cat\s+<<|git\s+(?:rev-parse|describe|branch\s+--show-current)|basename|getconf|sw_vers|go\s+env|minikube\s+ip|openssl\s+rand"
    r"|python3?\s+-c\s+.import\s+(?:time|uuid|random|platform)\b|node\s+-[pe]\s+.(?:Date|process\.(?:version|arch|platform))"
    r"|gcloud\s+auth|terraform\s+output|kubectl\s+get\s+(?:svc|service|pods?|nodes?|ingress)|docker\s+port)(?=\s|\Z|'|\")"
)
_PASSES_ON: Final = re.compile(
    r"\s*(?:jq|grep|head|cut|tr|sed|awk|sort|tail|base64|xargs|uniq|wc|sha256sum|md5sum)(?=\s|\Z)"
)


def reveals(word: str) -> bool:
    """Whether a word has the output of a command in it that says something of this machine or its files."""
    if OPEN not in word:
        return False
    return any([_tells(match[1]) for match in _SUBSTITUTED.finditer(word)])


def _tells(command: str) -> bool:
    if "<(" in command or ("<" in command and "<<" not in command):
        return True
    if "<<" in command:
        return not command.lstrip().startswith("cat <<")
    first, *others = _PIPED.split(command)
    return not (_TELLS_LITTLE.match(first) and all([_PASSES_ON.match(other) for other in others]))


_PIPED: Final = re.compile(r"\|\|?|&&|;")


_VARIABLE: Final = re.compile(rf"{OPEN}\$\{{?(\w+)")


def _is_near(address: str) -> bool:
    match = _HOST.match(address)
    return match is not None and _NEAR.match(match[1]) is not None


def sending_effects(line: Line, telling: Collection[str], *, fed: bool) -> Iterator[Effect]:
    """What a command that speaks with another host gives away. `telling`: variables that hold the output of a command;
    `fed`: it is fed what does not stand in the line."""
    options, sends = line.options, line.node.disclosure.sends
    values = [(option, value) for option in sends for value in options.get(option, ())]
    values = [each for each in values if each[0] not in _HEADERS or not _CREDENTIAL_HEADER.match(each[1])]
    addresses = [*line.args, *options.get("--url", ())]
    if any([secret_variable(_USERINFO.sub("", word)) for word in addresses]) or any(
        [secret_variable(value) for _, value in values]
    ):
        yield "secret_access"
    gives = any([_gives(option, value, fed) for option, value in values])
    if not gives:
        gives = any([reveals(_WHOLE_HOST.sub("", word)) for word in addresses])
    if not gives and telling:
        given = [*[word.partition("?")[2] for word in addresses], *[value for _, value in values]]
        gives = any([match[1] in telling for word in given for match in _VARIABLE.finditer(word)])
    if not gives and fed and line.node.disclosure.piped:
        gives = True
    if gives and "--unix-socket" not in options and not (addresses and all(map(_is_near, addresses))):
        yield from ("export", "unknown")


def _gives(option: str, value: str, fed: bool) -> bool:
    """Whether the value of an option has something of a file, or what a command says, in it."""
    if option in _VERBATIM:
        return reveals(value)
    if option in _FILES:
        return value not in {"-", "."} or fed
    if value in {"@-", "@/dev/stdin"} or value.endswith(("=@-", "=<-")):
        return fed
    return _OF_FILE.match(value) is not None or reveals(value)


def destination_effects(line: Line) -> Iterator[Effect]:
    """What it means that a command writes to the files and folders that its options name."""
    places = [value for option in line.node.files.writes for value in line.options.get(option, ())]
    names = ["x", *[_last(word) for word in line.args]]
    if not places:
        return
    if len(places) > _MANY or len(names) > _MANY:
        names = names[:_MANY]
        yield "unknown"
    for place in places[:_MANY]:
        yield from effects_of_writing(place)
        for name in names:
            yield from effects_of_writing(place.rstrip("/") + "/" + name)


#: More files and folders than these are not looked into.
_MANY: Final = 16


def _last(address: str) -> str:
    return address.partition("?")[0].rstrip("/").rpartition("/")[2]
