"""Logs: one line of JSON each, on standard error. No request text, no key, no secret is ever logged."""

from __future__ import annotations

import contextlib
import logging
import sys
from typing import TextIO, cast

import structlog


class _Stderr:
    """Standard error that loses a line rather than a decision: on a full disk its log may be full as well."""

    def write(self, text: str) -> int:
        with contextlib.suppress(OSError):
            sys.stderr.write(text)
        return len(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError):
            sys.stderr.flush()


def quiet_parsers() -> None:
    """The SQL parser would log the statements that it warns about; requests are never logged."""
    logging.getLogger("sqlglot").disabled = True


def configure_logs(level: str) -> None:
    """Set up logging for a server process."""
    quiet_parsers()
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.PrintLoggerFactory(cast(TextIO, _Stderr())),
        cache_logger_on_first_use=True,
    )
