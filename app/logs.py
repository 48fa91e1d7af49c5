"""Logs: static event names with their data in fields, to stderr, as text or JSON lines.

Long-running commands and the stand-alone applications configure them; a host keeps its own.
"""

import logging
import sys

import structlog


def configure_logs(log_format: str) -> None:
    """Send all of Ringnote's logs, and what libraries warn of, to stderr; 'text' or 'json'."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    is_json = log_format == "json"
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if is_json
        else structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(),
            # The fancier tracebacks show local variables, which hold what no log may.
            exception_formatter=structlog.dev.plain_traceback,
        )
    )
    trace = [structlog.processors.format_exc_info] if is_json else []
    structlog.configure(
        processors=[*shared, *trace, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *trace,
                renderer,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
