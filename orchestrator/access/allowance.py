"""How many requests a token may make: a bucket for each token, in the memory of one server process.

Several server processes each give a token its full allowance: the limit keeps one client from taking all of a server,
and needs no store that all of them would ask at every request. A bucket holds the requests of one second and fills at
the same rate, so a client that paused may make them all at once.

The fields are those of the draft "RateLimit header fields for HTTP" (draft-ietf-httpapi-ratelimit-headers-11); it
knows whole seconds only, so window and time to wait are one second always.
"""

from __future__ import annotations

from dataclasses import dataclass
from threading import Lock
from time import monotonic

from django.conf import settings

from orchestrator.access.models import Token

WINDOW_SECONDS = 1
POLICY = "token"
MOST_BUCKETS = 10_000


@dataclass(frozen=True, slots=True)
class Allowance:
    """What became of one request: whether it is within the limit, the requests a second, and how many are left."""

    granted: bool
    requests_per_second: int
    remaining: int

    def headers(self) -> dict[str, str]:
        """The fields of the answer: RateLimit-Policy, RateLimit, and Retry-After where it was not granted."""
        fields = {
            "RateLimit-Policy": f'"{POLICY}";q={self.requests_per_second};w={WINDOW_SECONDS}',
            "RateLimit": f'"{POLICY}";r={self.remaining};t={WINDOW_SECONDS}',
        }
        return fields if self.granted else fields | {"Retry-After": str(WINDOW_SECONDS)}


@dataclass(slots=True)
class _Bucket:
    level: float
    filled_at: float


class Buckets:
    """The buckets of one process, by the identifiers of tokens; safe to be used by several threads."""

    def __init__(self) -> None:
        self._buckets: dict[str, _Bucket] = {}
        self._lock = Lock()

    def take(self, token: Token, *, now: float | None = None) -> Allowance | None:
        """Take one request out of the bucket of a token; None where it has no limit. `now` is monotonic, in seconds."""
        rate = token.requests_per_second
        if rate is None:
            rate = settings.ORCHESTRATOR_TOKEN_REQUESTS_PER_SECOND
        if rate == 0:
            return None
        now = monotonic() if now is None else now
        with self._lock:
            bucket = self._filled(token.identifier, rate, now)
            granted = bucket.level >= 1
            bucket.level -= granted
            return Allowance(granted, rate, int(bucket.level))

    def _filled(self, identifier: str, rate: int, now: float) -> _Bucket:
        bucket = self._buckets.get(identifier)
        if bucket is None:
            self._forget_full_ones(now)
            bucket = self._buckets[identifier] = _Bucket(rate, now)
        passed = max(now - bucket.filled_at, 0)
        bucket.level = min(bucket.level + passed * rate, rate)
        bucket.filled_at = now
        return bucket

    def _forget_full_ones(self, now: float) -> None:
        """A bucket that nobody took from for a second is as good as a new one."""
        if len(self._buckets) >= MOST_BUCKETS:
            self._buckets = {
                key: bucket for key, bucket in self._buckets.items() if now - bucket.filled_at < WINDOW_SECONDS
            }
