"""Logs and metrics. Nothing is sent anywhere: both are there for the operator to read.

No secret reaches a log line: whatever looks like one is replaced, wherever it stands.
"""

import logging
import os
import re
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, TextIO

import structlog
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest, values
from prometheus_client.multiprocess import MultiProcessCollector

from tollkeeper.infra.settings import Settings

METRICS_DIRECTORY = "PROMETHEUS_MULTIPROC_DIR"
METRICS_CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_REDACTED = "[redacted]"
_SECRET_NAMES = re.compile(r"secret|password|authorization|cookie|api_?key$|^key$", re.IGNORECASE)
_SECRETS = re.compile(
    r"\b\d{1,19}\|[A-Za-z0-9_-]{16,}"  # access tokens: <id>|<secret>
    r"|\b(?:ak|whsec)_[A-Za-z0-9+/=_-]{8,}"  # customer keys, webhook secrets
    r"|(?<=://)([^:@/\s]*):[^@/\s]+(?=@)",  # passwords in URLs
)


def redact(value: Any) -> Any:
    """The value without secrets, in whatever depth of lists, tuples and mappings they stand."""
    if isinstance(value, str):
        return _SECRETS.sub(_REDACTED, value)
    if isinstance(value, bytes):
        return redact(value.decode("utf-8", "replace"))
    if isinstance(value, Mapping):
        return {
            name: _REDACTED if _SECRET_NAMES.search(str(name)) else redact(item)
            for name, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [redact(item) for item in value]
    return value


def _redact_event(
    _logger: Any, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    return {
        name: item if name.startswith("_") or name == "exc_info" else redact({name: item})[name]
        for name, item in event.items()
    }


def _redact_line(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> Any:
    # Tracebacks are rendered by now; they quote source lines and messages of other libraries.
    if "exception" in event:
        event["exception"] = redact(event["exception"])
    return event


def configure_logging(settings: Settings, stream: TextIO = sys.stderr) -> None:
    """Send our lines and those of every library through one pipeline, to standard error."""
    console = settings.log_format == "console" or (
        settings.log_format == "auto" and stream.isatty()
    )
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _redact_event,
    ]
    structlog.configure(
        # What nobody will see costs nothing more.
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    renderer: Any = (
        structlog.dev.ConsoleRenderer(
            colors=stream.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
        if console
        else structlog.processors.JSONRenderer()
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                _redact_line,
                renderer,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(settings.log_level.upper())
    for chatty in ("procrastinate", "alembic", "_granian", "granian", "httpx"):
        logging.getLogger(chatty).setLevel(max(root.level, logging.WARNING))


class Metrics:
    """The figures at `/metrics`, for one `tollkeeper serve`.

    It sets METRICS_DIRECTORY for its server processes and its job worker, which share their counts
    through files there. Every other `serve` has figures of its own, a `tollkeeper worker` beside
    it shows none.
    """

    def __init__(self) -> None:
        self._shared = METRICS_DIRECTORY in os.environ
        values.ValueClass = values.get_value_class()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        self._known: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}
        self.requests = Counter(
            "tollkeeper_http_requests",
            "Requests answered.",
            ("method", "route", "status"),
            registry=self.registry,
        )
        self.duration = Histogram(
            "tollkeeper_http_request_duration_seconds",
            "Time from a request's arrival to its answer.",
            ("method", "route"),
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
            registry=self.registry,
        )
        self.jobs = Counter(
            "tollkeeper_jobs",
            "Jobs run: done, to be retried, or failed for good.",
            ("job", "outcome"),
            registry=self.registry,
        )

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count and time an answered request."""
        key = (method, route, status)
        known = self._known.get(key)
        if known is None:
            # Looking a series up costs more than adding to it.
            known = self._known[key] = (
                self.requests.labels(method, route, str(status)),
                self.duration.labels(method, route),
            )
        known[0].inc()
        known[1].observe(seconds)

    def exposition(self) -> bytes:
        """The figures in Prometheus' text format."""
        registry = self.registry
        if self._shared:
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry)
