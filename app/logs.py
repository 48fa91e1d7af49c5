"""Logs: static event names with their data in fields, as text or JSON lines.

All goes through the standard library's logging under the name `ringnote`, so that a host's own
set-up decides what becomes of it. The commands that run for long and the stand-alone applications
set it up themselves.
"""

import logging
import sys
from typing import Any

import structlog

NAME = "ringnote"
FIELDS = "ringnote_fields"
"""The attribute of a log record that holds its fields."""


def get_logger(name: str) -> Any:
    """A logger that takes an event's name and its fields: `log.info("worker.started", threads=4)`.

    A traceback is left to logging's formatters: structlog's own would show local variables, which
    hold what no log may.
    """
    return structlog.wrap_logger(
        logging.getLogger(name),
        wrapper_class=structlog.stdlib.BoundLogger,
        processors=[structlog.stdlib.filter_by_level, _to_logging],
    )


def configure_logs(log_format: str) -> None:
    """Send all of Ringnote's logs, and what libraries warn of, to stderr; 'text' or 'json'."""
    is_json = log_format == "json"
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if is_json
        else structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[
                structlog.stdlib.add_logger_name,
                _lift_fields,
                structlog.processors.add_log_level,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
            ],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *([structlog.processors.format_exc_info] if is_json else []),
                renderer,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger(NAME).setLevel(logging.INFO)


def _to_logging(_logger: Any, _method: str, fields: Any) -> tuple[tuple[str], dict[str, Any]]:
    """What a logging call takes: one line for any formatter, the fields apart for ours."""
    exc_info = fields.pop("exc_info", None)
    shown = [f"{name}={value}" for name, value in fields.items() if name != "event"]
    line = " ".join([fields["event"], *shown])
    return (line,), {"exc_info": exc_info, "extra": {FIELDS: dict(fields)}}


def _lift_fields(_logger: Any, _method: str, line: Any) -> Any:
    """An event and its fields instead of the line that was made of them; no logger's name."""
    if fields := getattr(line["_record"], FIELDS, None):
        line.pop("logger", None)
        line |= fields
    return line
