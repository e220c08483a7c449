"""A token makes so many requests a second and no more, and is told how many are left."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.test import override_settings

from orchestrator.access import allowance
from orchestrator.access.allowance import Allowance, Buckets
from orchestrator.access.models import Token


def token(requests_per_second: int | None = 3, identifier: str = "a") -> Token:
    return Token(identifier=identifier, requests_per_second=requests_per_second)


def granted(buckets: Buckets, of: Token, now: float) -> bool:
    taken = buckets.take(of, now=now)
    assert taken is not None
    return taken.granted


def test_the_requests_of_a_second_may_come_at_once_and_the_next_ones_as_the_bucket_fills() -> None:
    buckets = Buckets()
    assert [granted(buckets, token(), 100.0) for _ in range(5)] == [True, True, True, False, False]
    assert [granted(buckets, token(), 100.34) for _ in range(2)] == [True, False]
    assert [granted(buckets, token(), 100.5) for _ in range(1)] == [False]
    assert [granted(buckets, token(), 100.67) for _ in range(2)] == [True, False]


def test_a_refused_request_costs_nothing_and_a_second_later_there_is_all_of_it_again() -> None:
    buckets = Buckets()
    for _ in range(50):
        buckets.take(token(), now=100.0)
    assert [granted(buckets, token(), 101.0) for _ in range(4)] == [True, True, True, False]


def test_a_long_pause_saves_nothing_up() -> None:
    buckets = Buckets()
    buckets.take(token(), now=100.0)
    assert [granted(buckets, token(), 9_999.0) for _ in range(4)] == [True, True, True, False]


def test_one_token_takes_nothing_from_another() -> None:
    buckets = Buckets()
    while granted(buckets, token(), 100.0):
        pass
    assert granted(buckets, token(identifier="b"), 100.0)


def test_what_is_left_is_told_in_the_fields_of_the_draft() -> None:
    buckets = Buckets()
    told = [buckets.take(token(2), now=100.0) for _ in range(3)]
    assert told == [Allowance(True, 2, 1), Allowance(True, 2, 0), Allowance(False, 2, 0)]
    assert [each.headers() for each in told if each] == [
        {"RateLimit-Policy": '"token";q=2;w=1', "RateLimit": '"token";r=1;t=1'},
        {"RateLimit-Policy": '"token";q=2;w=1', "RateLimit": '"token";r=0;t=1'},
        {"RateLimit-Policy": '"token";q=2;w=1', "RateLimit": '"token";r=0;t=1', "Retry-After": "1"},
    ]


@override_settings(ORCHESTRATOR_TOKEN_REQUESTS_PER_SECOND=7)
def test_a_token_without_a_limit_of_its_own_has_that_of_the_setting_and_zero_is_none() -> None:
    buckets = Buckets()
    assert buckets.take(token(None), now=100.0) == Allowance(True, 7, 6)
    assert buckets.take(token(0), now=100.0) is None
    with override_settings(ORCHESTRATOR_TOKEN_REQUESTS_PER_SECOND=0):
        assert buckets.take(token(None), now=100.0) is None


def test_threads_together_get_no_more_than_one_would() -> None:
    buckets = Buckets()
    with ThreadPoolExecutor(8) as pool:
        told = list(pool.map(lambda _: granted(buckets, token(100), 100.0), range(400)))
    assert told.count(True) == 100


def test_buckets_that_are_full_again_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(allowance, "MOST_BUCKETS", 10)
    buckets = Buckets()
    for number in range(100):
        buckets.take(token(identifier=str(number)), now=float(number))
    assert len(buckets._buckets) <= 10
