"""A log of JSON lines without user data."""

import json
import logging
import sys
import time

logger = logging.getLogger("mgnm_tf.serving.http.events")


class JsonLines(logging.Formatter):
    """Writes a record as one line: time, level, event, and what came with it.

    Records are written by `log_event`; of others the text is the event.
    """

    def format(self, record: logging.LogRecord) -> str:
        when = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line = {
            "time": f"{when}.{int(record.msecs):03}Z",
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info and record.exc_info[0] is not None:
            # The type and place alone: a message could hold what was sent.
            kind, _, trace = record.exc_info
            line["error"] = kind.__name__
            while trace is not None and trace.tb_next is not None:
                trace = trace.tb_next
            if trace is not None:
                code = trace.tb_frame.f_code
                line["at"] = f"{code.co_filename}:{trace.tb_lineno}"
        return json.dumps(line, ensure_ascii=False)


def log_event(event: str, level: int = logging.INFO, **fields) -> None:
    """Logs an event.

    Args:
        event: its name.
        level: of `logging`. Defaults to `20`.
        fields: what belongs to it; nothing that a caller sent.
    """
    logger.log(level, event, extra={"fields": fields})


def log_to_stderr() -> None:
    """Writes events, and what uvicorn says, to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    for name, level in (
        (logger.name, logging.INFO),
        ("uvicorn.error", logging.WARNING),
    ):
        one = logging.getLogger(name)
        one.handlers[:] = [handler]
        one.propagate = False
        one.setLevel(level)
