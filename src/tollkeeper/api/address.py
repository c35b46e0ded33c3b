"""What a request's address says: segment by segment, and in UTF-8 only."""

from urllib.parse import quote, unquote_to_bytes

from starlette.types import Scope


def read_path(scope: Scope) -> str:
    """The path to route by, in which a `/` or `%` that belongs to a segment's text stays escaped.

    So an external id such as `org/42` can stand in a path, as `org%2F42`. Raises
    UnicodeDecodeError where the path is not UTF-8: a guess could name somebody else.
    """
    raw = scope.get("raw_path") or quote(scope["path"]).encode()
    return "/".join(_escaped(unquote_to_bytes(segment).decode()) for segment in raw.split(b"/"))


def check_query(scope: Scope) -> None:
    """Raises UnicodeDecodeError where the query string is not UTF-8."""
    unquote_to_bytes(scope["query_string"]).decode()


def segment_text(segment: str) -> str:
    """What a segment of `read_path` stands for."""
    return segment.replace("%2F", "/").replace("%25", "%")


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("/", "%2F")
