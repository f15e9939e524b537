"""Canonical JSON (RFC 8785), with integers exact at any size, so that equal values have equal bytes."""

from __future__ import annotations

import hashlib
import math
from json.encoder import encode_basestring
from typing import Any, Final

import msgspec


def canonical(value: object) -> bytes:
    """The canonical form of a JSON value, UTF-8. Raises ValueError for NaN, infinities and lone surrogates."""
    if _simple(value):
        try:
            return _sorted.encode(value)
        except OverflowError:
            pass  # a whole number beyond 64 bits
    return "".join(_parts(value, [])).encode()


#: Writes strings and whole numbers just as RFC 8785 does, and sorts keys by code point: the same for ASCII.
_sorted: Final = msgspec.json.Encoder(order="sorted")


def _simple(value: Any) -> bool:
    """Whether a value holds only what both encoders write alike."""
    kind = type(value)
    if kind is dict:
        for key in value:
            if type(key) is not str or not key.isascii():
                return False
        value = value.values()
    elif kind is not list and kind is not tuple:
        return kind in _SCALARS
    # Most are texts: a call for each would take most of the time.
    return all([type(item) in _SCALARS or _simple(item) for item in value])


_SCALARS: Final = frozenset({str, int, bool, type(None)})


def digest(value: object) -> str:
    """SHA-256 of the canonical form, in hex."""
    return hashlib.sha256(canonical(value)).hexdigest()


def _parts(value: object, out: list[str]) -> list[str]:
    """The pieces of a value, one after the other, at the end of `out`."""
    if isinstance(value, str):
        out.append(encode_basestring(value))
    elif value is True:
        out.append("true")
    elif value is False:
        out.append("false")
    elif value is None:
        out.append("null")
    elif isinstance(value, int):
        out.append(str(value))
    elif isinstance(value, float):
        out.append(_number(value))
    elif isinstance(value, dict):
        sign = "{"
        for key in sorted(value, key=_utf16):
            out += (sign, encode_basestring(key), ":")
            _parts(value[key], out)
            sign = ","
        out.append("}" if value else "{}")
    elif isinstance(value, (list, tuple)):
        sign = "["
        for item in value:
            out.append(sign)
            _parts(item, out)
            sign = ","
        out.append("]" if value else "[]")
    else:
        raise ValueError(f"`{type(value).__name__}` is not a JSON value")
    return out


def _utf16(key: str) -> bytes:
    return key.encode("utf-16-be", "surrogatepass")


def _number(value: float) -> str:
    """ECMAScript's Number::toString (ECMA-262, 6.1.6.1.20)."""
    if not math.isfinite(value):
        raise ValueError(f"`{value}` is not a JSON number")
    if value == 0:
        return "0"
    sign = "-" if value < 0 else ""
    mantissa, _, exponent = f"{abs(value)!r}".partition("e")
    whole, _, fraction = mantissa.partition(".")
    fraction = "" if fraction == "0" else fraction
    digits = (whole + fraction).lstrip("0")
    point = len(whole) + int(exponent or 0) - (len(whole + fraction) - len((whole + fraction).lstrip("0")))
    digits = digits.rstrip("0")
    count = len(digits)
    if count <= point <= 21:
        return sign + digits + "0" * (point - count)
    if 0 < point <= 21:
        return f"{sign}{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    shown = point - 1
    tail = f".{digits[1:]}" if count > 1 else ""
    return f"{sign}{digits[0]}{tail}e{'+' if shown >= 0 else '-'}{abs(shown)}"
