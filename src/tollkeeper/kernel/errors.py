"""How things go wrong: a catalogue of coded errors, and values that cannot be read.

Each domain lists its `ErrorCode`s in its own `errors.py`; the docs have one page per code.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_CODE = re.compile(r"[a-z_]+\.[a-z0-9_]+")


@dataclass(frozen=True)
class ErrorCode:
    """One entry of the catalogue: what can go wrong, and what the caller can do about it.

    `code` is `<domain>.<what>` ("keys.not_found") and is never renamed once released; `status` is
    the HTTP status, 400 to 599 (RFC 9110); `summary` and `remedy` are public sentences.
    Raises ValueError for any other code or status: the catalogue is checked when it is imported.
    """

    code: str
    status: int
    summary: str
    remedy: str

    def __post_init__(self) -> None:
        if _CODE.fullmatch(self.code) is None:
            raise ValueError(f"error code {self.code!r} is not of the form domain.what_went_wrong")
        if not 400 <= self.status <= 599:
            raise ValueError(f"error {self.code} has status {self.status}, not one of 400 to 599")

    def error(
        self,
        message: str,
        *,
        details: Sequence[Mapping[str, object]] = (),
        private: str | None = None,
        retry_after_seconds: int | None = None,
    ) -> "CodedError":
        """The error to raise for one occurrence; the arguments become the error's attributes."""
        return CodedError(
            self,
            message,
            details=details,
            private=private,
            retry_after_seconds=retry_after_seconds,
        )


class CodedError(Exception):
    """One occurrence of a catalogued error, raised by a domain and told by a face.

    `message` and `details` are for the caller. `private` is for the log only: it may name things
    that the caller must not learn, so neither `str()` nor `repr()` shows it.
    `retry_after_seconds` is how long to wait before trying again, where that is known.
    """

    def __init__(
        self,
        kind: ErrorCode,
        message: str,
        *,
        details: Sequence[Mapping[str, object]] = (),
        private: str | None = None,
        retry_after_seconds: int | None = None,
    ) -> None:
        super().__init__(kind, message)
        self.kind = kind
        self.message = message
        self.details = tuple(details)
        self.private = private
        self.retry_after_seconds = retry_after_seconds

    def __str__(self) -> str:
        return f"{self.kind.code}: {self.message}"


class InvalidValue(ValueError):  # noqa: N818 - it names what is wrong with the value
    """A value from outside that cannot be read.

    Its text is a sentence fragment that goes behind the name of a field: "must be greater than 0".
    """
