"""A service that fails: what can pass is tried again, what can't is told at once, and no day is half there."""

from __future__ import annotations

import time
from itertools import count
from typing import Any

import pytest

from ddcrm.errors import (
    DdcrmError,
    MalformedDataError,
    MissingDataError,
    SourceAuthError,
    SourceError,
    SourceUnavailableError,
)
from ddcrm.settings import Settings
from tests.sources.conftest import Answer, Asked, Service
from tests.sources.support import days, read_all
from tests.sources.test_http import ITEMS, by_offset, reading

PAGES = {"type": "offset", "limit": 10}
GOOD = Answer({"data": ITEMS})


def failure(service: Service, kind: type[DdcrmError], **options: Any) -> Any:
    """The error of reading; checks that it says where, and shows nothing of what was answered."""
    with pytest.raises(kind) as caught:
        read_all(reading(service, **options), Settings())
    error = caught.value
    assert (error.source, error.partition) == ("shop", "2026-03-05")
    assert "Anna" not in f"{error}{error.as_dict()}"
    assert "s3cret" not in f"{error}{error.as_dict()}"
    assert error.__cause__ is None
    return error


@pytest.mark.parametrize("bad", [
    Answer(status=500), Answer(status=503), Answer(status=429), Answer(body=b'{"data": [{"name": "Anna'),
    Answer(body=b'{"data": [{"name": "Anna', missing=100), Answer(body=b"<html>Anna</html>"),
])  # fmt: skip
def test_what_passes_is_tried_again(service: Service, bad: Answer) -> None:
    """The second page fails twice: the rows are those of a run in which nothing failed."""
    failures = count()

    def answer(asked: Asked) -> Answer:
        return bad if asked.query["offset"] == "10" and next(failures) < 2 else by_offset(asked)

    service.answer = answer
    [found] = read_all(reading(service, paginator=PAGES), Settings())
    assert found["id"].to_pylist() == [str(n) for n in range(25)]
    assert len(service.asked) == 4 + 2


@pytest.mark.parametrize(("status", "wait"), [(429, "1"), (503, "1")])
def test_retry_after_is_honoured(service: Service, status: int, wait: str) -> None:
    answers = iter([Answer(status=status, headers={"Retry-After": wait}), GOOD])
    service.answer = lambda asked: next(answers)
    began = time.monotonic()
    assert read_all(reading(service), Settings())[0].num_rows == 25
    assert 1.0 <= time.monotonic() - began < 30


@pytest.mark.parametrize("status", [500, 429])
def test_what_does_not_pass(service: Service, status: int) -> None:
    service.answer = lambda asked: Answer({"error": "Anna"}, status=status)
    error = failure(service, SourceUnavailableError, max_retries=2)
    assert (error.status, error.attempts) == (status, 3)
    assert error.retryable
    assert len(service.asked) == 3


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, SourceAuthError),
        (403, SourceAuthError),
        (404, MissingDataError),
        (410, MissingDataError),
        (400, SourceError),
    ],
)
def test_what_is_not_tried_again(
    service: Service, monkeypatch: pytest.MonkeyPatch, status: int, kind: type[SourceError]
) -> None:
    monkeypatch.setenv("DDCRM_SECRET_TOKEN", "s3cret")
    service.answer = lambda asked: Answer({"error": "Anna"}, status=status)
    auth = {"type": "api_key", "name": "key", "location": "query", "secret": "token"}
    error = failure(service, kind, auth=auth)
    assert (type(error), error.status, error.url) == (kind, status, f"{service.url}/orders")
    assert not error.retryable
    assert len(service.asked) == 1


def test_a_page_that_breaks_off_every_time(service: Service) -> None:
    def answer(asked: Asked) -> Answer:
        return (
            Answer(body=b'{"data": [{"name": "Anna', missing=50) if asked.query["offset"] == "10" else by_offset(asked)
        )

    service.answer = answer
    assert failure(service, SourceUnavailableError, paginator=PAGES, max_retries=1).attempts == 2
    assert len(service.asked) == 3


def test_a_page_that_is_cut_every_time(service: Service) -> None:
    service.answer = lambda asked: Answer(body=b'{"data": [{"name": "Anna')
    error = failure(service, MalformedDataError, max_retries=1)
    assert error.message == "a page that is not JSON, or was cut off"
    assert len(service.asked) == 2


def test_nobody_listens(service: Service) -> None:
    service.url = "http://127.0.0.1:9"
    assert failure(service, SourceUnavailableError, max_retries=1).reason == "ConnectionError"


def test_a_service_that_does_not_answer(service: Service) -> None:
    def answer(asked: Asked) -> Answer:
        time.sleep(0.5)
        return GOOD

    service.answer = answer
    assert failure(service, SourceUnavailableError, max_retries=0, timeout_seconds=0.1).reason == "ReadTimeout"


def test_a_page_without_the_rows(service: Service) -> None:
    service.answer = lambda asked: Answer({"error": "Anna"})
    assert failure(service, MalformedDataError, allow_empty=True).message == "a page without 'data'"


@pytest.mark.parametrize("items", [["Anna"], [[1]], [1]])
def test_rows_that_are_no_objects(service: Service, items: list[Any]) -> None:
    service.answer = lambda asked: Answer({"data": [{"id": 1}, *items]})
    error = failure(service, MalformedDataError)
    assert (error.message, error.row) == ("a row that is not a JSON object", 2)


def test_a_paginator_that_does_not_fit(service: Service) -> None:
    service.answer = lambda asked: Answer({"data": [{"name": "Anna"}]})
    paginator = {"type": "offset", "limit": 10, "total_path": "total"}
    assert failure(service, MalformedDataError, paginator=paginator).message == "the pages can't be followed"


def test_pages_that_go_in_a_circle(service: Service) -> None:
    service.answer = lambda asked: Answer({"data": ITEMS, "next": "again"})
    paginator = {"type": "cursor", "cursor_path": "next", "cursor_param": "after"}
    assert "circle" in failure(service, MalformedDataError, paginator=paginator).message
    assert len(service.asked) == 2


def test_credentials_go_to_no_other_server(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DDCRM_SECRET_TOKEN", "s3cret")
    service.answer = lambda asked: Answer({"data": ITEMS}, headers={"Link": '<http://localhost:9/x>; rel="next"'})
    auth = {"type": "bearer", "secret": "token"}
    error = failure(service, SourceError, paginator={"type": "header_link"}, auth=auth)
    assert "another server" in error.message


def test_a_redirection_that_fails_at_its_end(service: Service) -> None:
    def answer(asked: Asked) -> Answer:
        return Answer(status=500) if asked.path == "/new" else Answer(status=302, headers={"Location": "/new"})

    service.answer = answer
    assert failure(service, SourceUnavailableError, max_retries=1).status == 500
    service.answer = lambda asked: GOOD if asked.path == "/new" else Answer(status=302, headers={"Location": "/new"})
    assert read_all(reading(service), Settings())[0].num_rows == 25


def test_a_failure_on_a_later_day_ends_the_extraction(service: Service) -> None:
    service.answer = lambda asked: GOOD if asked.query["day"] == "2026-03-01" else Answer(status=500)
    found = reading(service, params={"day": "{batch_date}"}, max_retries=0)
    with pytest.raises(SourceUnavailableError) as caught:
        read_all(found, Settings(), days("2026-03-01", "2026-03-02"))
    assert caught.value.partition == "2026-03-02"
