"""File paths: which of them hold secrets, and which stand for more than one file, by the field's conventions.

Unix: the Filesystem Hierarchy Standard; Windows: the known folders; the rest is where each tool's manual says that it
keeps its credentials. A path is first brought to one form: quotes, `file://`, percent encoding (twice, since a server
may decode twice), backslashes and `..`.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote

from stage0.reading.effects import Effect
from stage0.reading.result import ArgumentReading, whole

_SECRET: Final = re.compile(
    # by the file's name
    r"(?:^|/)(?:\.env[*?]+|\.env(?:\.(?!example|sample|template|dist)[\w.*?-]+)?|\.envrc|[._]netrc|\.pgpass|pgpass\.conf|\.my\.cnf"
    r"|\.mylogin\.cnf|\.npmrc|\.pypirc|\.dockercfg|\.git-credentials|\.s3cfg|\.boto|\.htpasswd|\.vault-token|rclone\.conf"
    r"|id_(?:rsa|dsa|ecdsa|ed25519)(?:_sk)?|g?shadow-?|master\.passwd|credentials(?:\.(?:json|ya?ml|xml|csv|toml|db|ini))?"
    r"|kubeconfig(?:\.ya?ml)?|secrets?\.(?:ya?ml|json|toml|env|ini|txt)|client_secret[\w.-]{0,80}\.json"
    r"|service[-_]?account[\w.-]{0,40}\.json|application_default_credentials\.json|wallet\.dat|wp-config\.php"
    r"|terraform\.tfstate(?:\.backup)?|credentials\.tfrc\.json|logins\.json|key[34]\.db|login data|cookies(?:\.sqlite)?"
    r"|login\.keychain(?:-db)?|ntds\.dit|unattend\.xml|web\.config\.bak|accesstokens\.json|msal_token_cache\.\w+"
    r"|\.(?:bash|zsh|sh|psql|mysql|sqlite|python|node_repl|rediscli|mongo)_?history|fish_history|consolehost_history\.txt"
    r"|secring\.gpg"
    r"|(?!(?:ca|cacert|ca-cert|ca-bundle|ca-certificates|chain|fullchain|public|pubkey|rootca|root)\.(?:pem|key)$)"
    r"[\w.*?-]+\.(?:pem|key|p12|pfx|jks|kdbx?|keystore|ppk|keytab|ovpn))$"
    # by the folder
    r"|(?:^|/)\.(?:ssh|aws|gnupg)/(?!config$|known_hosts$|allowed_signers$|authorized_keys$|[\w.-]+\.pub$)"
    r"|(?:^|/)\.(?:kube|password-store)/|(?:^|/)\.docker/config\.json$|(?:^|/)\.config/gh/hosts\.yml$"
    r"|(?:^|/)\.config/gcloud/(?:credentials|access_tokens|legacy_credentials|application_default)"
    r"|(?:^|/)\.azure/(?:accesstokens|msal|service_principal)|(?:^|/)\.(?:cargo|gem)/credentials"
    r"|(?:^|/)\.local/share/keyrings/|(?:^|/)library/keychains/|(?:^|/)(?:var/)?run/secrets/|(?:^|/)etc/ssl/private/"
    r"|(?:^|/)etc/kubernetes/(?:admin\.conf|pki/.*\.key$)"
    r"|(?:^|/)proc/(?:\d+|self|thread-self|\*)/(?:environ|mem)$"
    r"|(?:^|/)windows/(?:system32/config|repair)/(?:sam|system|security)$"
    r"|(?:^|/)appdata/(?:roaming|local)/microsoft/(?:credentials|protect|vault)(?:/|$)"
    r"|(?:^|/)(?:\.ssh|\.aws|\.gnupg|\.kube)$"
)
_VARIABLE: Final = re.compile(r"^(?:\$\{?home\}?|%userprofile%|%homepath%)(?=/|$)")
_LONG: Final = 4_096


def plain_path(path: str) -> str:
    """A path in one form: lower case, forward slashes, decoded, `.` and `..` resolved, `~` for the home folder."""
    text = path.strip().strip("'\"`").strip()
    for _ in range(2):
        if "%" not in text:
            break
        text = unquote(text, errors="replace")
    text = text.replace("\x00", "").replace("\\", "/").lower()
    if text.startswith("file:"):
        text = "/" + text[5:].lstrip("/").removeprefix("localhost/")
    text = _VARIABLE.sub("~", text)
    if "/." not in text and "//" not in text and not text.startswith("./"):
        return text
    parts: list[str] = []
    for part in text.split("/"):
        if part == ".." and parts and parts[-1] not in ("", "..", "~"):
            parts.pop()
        elif (part == ".." and parts == [""]) or part == "." or (part == "" and parts):
            continue
        else:
            parts.append(part)
    return "/".join(parts) or ("/" if text.startswith("/") else ".")


def holds_secrets(path: str) -> bool:
    """Whether a path is one where secrets are kept (`.env`, private keys, cloud credentials)."""
    return len(path) <= _LONG and bool(_SECRET.search(plain_path(path)))


_SYSTEM: Final = re.compile(r"^/(?:etc|root|proc|sys|boot|var/(?:log|lib|spool|run))(?:/|$)|^/$|^[a-z]:/windows/")


def of_the_system(path: str) -> bool:
    """Whether a path belongs to the machine itself: a database or a page that reads it reads what it is not for."""
    return len(path) <= _LONG and bool(_SYSTEM.search(plain_path(path)))


def read_path(path: str) -> ArgumentReading:
    """Access to secrets where the path is known to hold them, else nothing."""
    return whole(path, "secret_access") if holds_secrets(path) else ArgumentReading(())


#: A folder that everything on a machine, or everything of a person, stands in.
_ROOT: Final = re.compile(
    r"(?:/|~|[a-z]:|[a-z]:/|/(?:etc|usr|usr/local|var|var/lib|bin|sbin|boot|lib|lib64|opt|root|home|srv|sys|dev|proc|mnt"
    r"|media|users|applications|library|system|data|backups?)|/home/[^/*]+|/users/[^/*]+"
    r"|[a-z]:/(?:windows|windows/system32|users|users/[^/*]+|program files(?: \(x86\))?|programdata)"
    r"|\.|\.\.|\.git|/dev/(?:sd[a-z]\d?|nvme\w+|hd[a-z]\d?|vd[a-z]\d?|disk\d\w*)|//\./physicaldrive\d+)/?"
)
_WILD: Final = re.compile(r"(?:^|/)(?:\*{1,2}|\*\.\*|\*\.[a-z0-9]{1,8})$")


def spreads(path: str) -> bool:
    """Whether a path stands for many files: a root folder or a wildcard."""
    if len(path) > _LONG:
        return True
    plain = plain_path(path)
    return bool(_ROOT.fullmatch(plain) or _WILD.search(plain))


_WRITTEN: Final[tuple[tuple[re.Pattern[str], tuple[Effect, ...]], ...]] = (
    # A disk itself.
    (
        re.compile(r"^/dev/(?:[shv]d[a-z]|xvd|nvme|disk|mapper/|mmcblk|md\d|r?disk\d|loop|dm-)"),
        ("delete", "irreversible"),
    ),
    # What says who may log in.
    (
        re.compile(
            r"(?:^|/)\.ssh/authorized_keys2?$|(?:^|/)authorized_keys$"
            r"|^/etc/(?:passwd|sudoers(?:\.d/.+)?|g?shadow|group|pam\.d/.+|ssh/.+|security/.+)$"
        ),
        ("access_change",),
    ),
    # What starts by itself.
    (
        re.compile(
            r"(?:^|/)(?:\.bashrc|\.bash_profile|\.bash_login|\.profile|\.zshrc|\.zprofile|\.zshenv|config\.fish"
            r"|etc/(?:profile(?:\.d/.+)?|crontab|cron\.[a-z]+/.+|rc\.local|ld\.so\.preload|init\.d/.+|systemd/system/.+)"
            r"|var/spool/cron/.+|library/launch(?:agents|daemons)/.+|\.config/(?:systemd/user|autostart)/.+"
            r"|\.git/hooks/.+|start menu/programs/startup/.+|\$profile)$"
        ),
        ("code_execution", "config_change"),
    ),
    # What others obey.
    (
        re.compile(
            r"^/etc/|^[a-z]:/windows/|^/(?:usr|boot|lib|sbin|bin)/|^/proc/sys|^/sys/|(?:^|/)\.git/config$"
            r"|(?:^|/)\.(?:gitconfig|ssh/config|npmrc|pypirc)$"
        ),
        ("config_change",),
    ),
)


def effects_of_writing(path: str) -> tuple[Effect, ...]:
    """What it means besides a change of a file that this one is changed: a disk, who may log in, what starts alone."""
    plain = plain_path(path) if len(path) <= _LONG else ""
    return next((effects for pattern, effects in _WRITTEN if pattern.search(plain)), ())
