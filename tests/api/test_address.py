from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollkeeper.api.address import check_query, read_path, segment_text

SEGMENTS = st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1)


@given(SEGMENTS)
def test_every_text_can_stand_in_a_segment(segments: list[str]) -> None:
    """Percent-encoded, it comes back as it was, slashes and percent signs too."""
    raw = "/".join(quote(segment, safe="") for segment in segments).encode()
    path = read_path({"raw_path": raw, "path": ""})
    assert [segment_text(segment) for segment in path.split("/")] == segments


@given(st.binary())
def test_what_is_not_utf_8_is_never_guessed_at(raw: bytes) -> None:
    """A byte that is no text is refused, plain or percent-encoded, in path and query."""
    encoded = b"".join(b"%%%02x" % byte for byte in raw)
    try:
        raw.decode()
    except UnicodeDecodeError:
        with pytest.raises(UnicodeDecodeError):
            read_path({"raw_path": encoded, "path": ""})
        with pytest.raises(UnicodeDecodeError):
            check_query({"query_string": encoded})
    else:
        assert segment_text(read_path({"raw_path": encoded, "path": "/"}) if raw else "") == (
            raw.decode()
        )
        check_query({"query_string": encoded})


def test_a_server_that_keeps_no_raw_path_is_understood() -> None:
    """ASGI leaves `raw_path` to the server."""
    assert read_path({"path": "/a/é%"}) == "/a/é%25"
