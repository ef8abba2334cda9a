"""Every failure says something to operators and to practitioners."""

import pytest

from services.transcoding.failures import MEANINGS, Code, Failure, MediaFailed


@pytest.mark.parametrize("code", Code)
def test_every_code_has_a_sentence_for_people(code: Code) -> None:
    sentence = Failure(code=code, detail="exit status 1", subject="prores").sentence
    assert sentence.endswith(".")
    assert not set(sentence) & set("{}_<>")
    assert not any(word in sentence.lower() for word in ("ffmpeg", "codec", "exit", "error"))


def test_only_what_a_retry_can_help_says_try_again() -> None:
    for code, meaning in MEANINGS.items():
        assert ("try again" in meaning.sentence) is meaning.retry, code


def test_a_failure_is_kept_as_json() -> None:
    failure = MediaFailed(Code.TOO_LONG, "7201 s", "121 minutes").failure
    assert Failure.model_validate_json(failure.model_dump_json()) == failure
    assert "121 minutes" in failure.sentence
    assert not failure.retry
