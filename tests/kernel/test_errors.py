import pickle

import pytest

from tollkeeper.kernel.errors import CodedError, ErrorCode, InvalidValue

NOT_FOUND = ErrorCode("keys.not_found", 404, "There is no such key.", "Check the key's id.")


@pytest.mark.parametrize(
    "code",
    ["", "keys", "keys.", ".not_found", "Keys.not_found", "keys.not-found", "a.b.c", "a.b\n"],
)
def test_a_code_of_another_form_is_refused(code: str) -> None:
    """Every code in the catalogue reads `<domain>.<what>`, so that clients can switch on it."""
    with pytest.raises(ValueError, match="not of the form"):
        ErrorCode(code, 404, "summary", "remedy")


@pytest.mark.parametrize("status", [0, 200, 399, 600])
def test_a_status_that_is_no_error_is_refused(status: int) -> None:
    """A catalogued error is never answered with success."""
    with pytest.raises(ValueError, match="not one of 400 to 599"):
        ErrorCode("keys.not_found", status, "summary", "remedy")


@pytest.mark.parametrize("code", ["keys.not_found", "rate_limits.http_429", "a.0"])
@pytest.mark.parametrize("status", [400, 599])
def test_a_well_formed_entry_is_accepted(code: str, status: int) -> None:
    """The bounds themselves belong to the catalogue, digits are fine behind the dot."""
    assert ErrorCode(code, status, "summary", "remedy").code == code


def test_an_occurrence_carries_what_it_was_given() -> None:
    """Nothing that the domain knows about the error is lost on the way to the face."""
    error = NOT_FOUND.error(
        "key 7 not found", details=[{"id": 7}], private="it is acme's", retry_after_seconds=3
    )
    assert error.kind is NOT_FOUND
    assert error.message == "key 7 not found"
    assert error.details == ({"id": 7},)
    assert error.private == "it is acme's"
    assert error.retry_after_seconds == 3


def test_an_occurrence_has_nothing_to_add_unless_told() -> None:
    """A face can read every attribute without asking whether it is there."""
    error = NOT_FOUND.error("key 7 not found")
    assert (error.details, error.private, error.retry_after_seconds) == ((), None, None)


def test_private_words_stay_private() -> None:
    """Words for the log reach no caller, even where an error is printed."""
    error = NOT_FOUND.error("key 7 not found", private="it is acme's")
    assert str(error) == "keys.not_found: key 7 not found"
    assert "acme" not in repr(error)


def test_an_occurrence_survives_pickling() -> None:
    """An error that crosses a process keeps its code, its words and its details."""
    error = NOT_FOUND.error("gone", details=[{"id": 7}], private="why", retry_after_seconds=3)
    copy = pickle.loads(pickle.dumps(error))
    assert isinstance(copy, CodedError)
    assert (copy.args, vars(copy)) == (error.args, vars(error))


def test_an_invalid_value_is_a_value_error() -> None:
    """Libraries that turn ValueError into a refusal (pydantic does) take ours as well."""
    assert issubclass(InvalidValue, ValueError)
    assert not issubclass(CodedError, ValueError)
