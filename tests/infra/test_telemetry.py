import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from tollkeeper.infra.settings import Settings
from tollkeeper.infra.telemetry import configure_logging, redact

TOKEN = "42|vVw2Jz0kq9cQy3mN8xLr5tUa"
KEY = "ak_9mXq2LcT7vBnR4sKzY1w"
WEBHOOK_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest.fixture
def lines(tmp_path: Path) -> Iterator[io.StringIO]:
    """What is logged during the test, as JSON lines."""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    stream = io.StringIO()
    configure_logging(Settings(data_dir=tmp_path, log_format="json", log_level="debug"), stream)
    yield stream
    root.handlers, root.level = handlers, level
    structlog.reset_defaults()


@pytest.mark.parametrize("secret", [TOKEN, KEY, WEBHOOK_SECRET])
def test_a_secret_is_redacted_wherever_it_stands(secret: str) -> None:
    """In text, in bytes, in lists, in nested mappings."""
    value = {"a": f"got {secret}!", "b": [secret, {"c": (secret.encode(),)}]}
    assert secret not in json.dumps(redact(value))


@pytest.mark.parametrize(
    "name", ["secret", "client_secret", "Authorization", "password", "api_key"]
)
def test_a_field_named_like_a_secret_is_redacted_whatever_it_holds(name: str) -> None:
    """No matter its form."""
    assert redact({name: "plain"}) == {name: "[redacted]"}


def test_a_password_in_a_url_is_redacted_and_the_rest_is_kept() -> None:
    """One still sees which database it was."""
    shown = redact("postgresql://ada:s3cret@db.example.com/tollkeeper")
    assert "s3cret" not in shown
    assert "db.example.com/tollkeeper" in shown


def test_words_that_are_no_secrets_stay() -> None:
    """Redaction must not eat what one reads logs for."""
    text = "customer 019f3a5e-9c1b-7d52-9f3e-1c1a2b3c4d5e paid 12|30 for ak_ keys"
    assert redact(text) == text


def test_log_lines_of_ours_and_of_libraries_are_redacted(lines: io.StringIO) -> None:
    """structlog and the standard library share one pipeline."""
    structlog.get_logger("ours").info("used", token=TOKEN, note=f"with {KEY}")
    logging.getLogger("theirs").warning("failed with %s", TOKEN)
    written = lines.getvalue()
    assert written.count("\n") == 2
    assert TOKEN not in written
    assert KEY not in written


def test_a_traceback_is_logged_without_its_secrets(lines: io.StringIO) -> None:
    """An exception's words pass through the same net."""
    try:
        raise ValueError(f"bad token {TOKEN}")
    except ValueError:
        structlog.get_logger("ours").exception("it failed")
    entry = json.loads(lines.getvalue())
    assert "ValueError: bad token [redacted]" in entry["exception"]
    assert TOKEN not in lines.getvalue()
