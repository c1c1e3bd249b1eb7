"""Logs: one line of JSON for each request and each thing that went wrong, on stderr."""

import logging
import sys

import structlog
from structlog.typing import FilteringBoundLogger

LOG: FilteringBoundLogger = structlog.get_logger("sideman.studio")
"""The studio's log."""

LEVELS = ("all", "errors")
"""What can be logged: every request, or only what went wrong."""


def configure(level: str) -> None:
    """Begin to log; `level` is one of `LEVELS`."""
    lowest = logging.INFO if level == "all" else logging.WARNING
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(lowest),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=False,
    )
