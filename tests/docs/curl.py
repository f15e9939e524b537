"""Stands in for curl where a machine has none: the few options that the documentation uses, and no others."""

from __future__ import annotations

import sys
import urllib.error
import urllib.request
from pathlib import Path


def main(arguments: list[str]) -> None:
    """One request; prints the body. `-s`, `-X METHOD`, `-H HEADER`, `-d BODY`, `-o FILE`."""
    url, method, body, output = "", None, None, None
    headers: dict[str, str] = {}
    rest = iter(arguments)
    for argument in rest:
        if argument == "-s":
            continue
        if argument == "-X":
            method = next(rest)
        elif argument == "-H":
            name, _, value = next(rest).partition(":")
            headers[name] = value.strip()
        elif argument == "-d":
            body = next(rest).encode()
        elif argument == "-o":
            output = next(rest)
        elif argument.startswith("-"):
            raise SystemExit(f"curl: option `{argument}` is not understood here")
        else:
            url = argument
    request = urllib.request.Request(url, body, headers, method=method)
    try:
        answer = urllib.request.urlopen(request, timeout=30).read()
    except urllib.error.HTTPError as error:
        answer = error.read()
    if output:
        Path(output).write_bytes(answer)
    else:
        sys.stdout.buffer.write(answer)


if __name__ == "__main__":
    main(sys.argv[1:])
