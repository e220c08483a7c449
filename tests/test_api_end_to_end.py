"""A client and a remote worker that speak HTTP only: start, wait for a task, keep and release it, wait for the end."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic, sleep
from typing import Any

import orjson
import pytest

from orchestrator.access.making import create_token
from processes.models import Process
from tasks.registration import register
from tests.conftest import environ_of_workers
from tests.flows.actors import echo
from tests.served.serving import Answered, Site, serving

pytestmark = pytest.mark.usefixtures("rows")

ECHO = str(echo.actor_name)
PRICE = {"$": "decimal", "v": "1.50"}
LONG_BEFORE_THE_TIME_IS_OVER = 10.0


@pytest.fixture(scope="module")
def site(django_db_setup: None) -> Iterator[Site]:
    with TemporaryDirectory(prefix="o-") as folder, serving(Path(folder), environ_of_workers()) as served:
        yield served


class Client:
    """Who shows a token for everything."""

    def __init__(self, site: Site) -> None:
        scopes = ["read", "start", "act"]
        token = create_token(client="remote", scopes=scopes, act_actors=[echo.actor_name.name], by="tests")
        self.site = site
        self.headers = {"Authorization": f"Bearer {token.text}", "Content-Type": "application/json"}

    def post(self, path: str, body: Any) -> Answered:
        return self.site.ask("POST", f"/api/v1{path}", orjson.dumps(body), self.headers)

    def get(self, path: str) -> Answered:
        return self.site.ask("GET", f"/api/v1{path}", None, self.headers)


def test_a_process_is_performed_from_start_to_end_over_http_and_whoever_waits_hears_of_it(site: Site) -> None:
    client = Client(site)
    with ThreadPoolExecutor(2) as pool:
        polled = pool.submit(client.post, "/poll", {"actors": [ECHO], "wait_seconds": 40})
        sleep(0.3)
        started = client.post("/processes", {"actor": ECHO, "args": [PRICE], "custom_id": "r-1"})
        assert started.status == 201
        path = str(started.headers["Location"]).removeprefix("/api/v1")
        ended = pool.submit(client.get, f"{path}?wait_seconds=40")
        began = monotonic()
        register(list(Process.objects.values_list("id", flat=True)))
        [lease] = polled.result().json["leases"]
        named = {"task_id": lease["task_id"], "attempt": lease["attempt"]}
        assert lease["arguments"] == {"value": PRICE}
        beaten = client.post("/tasks/heartbeat", {"leases": [named]})
        assert (beaten.status, [each["lease"] for each in beaten.json["leases"]]) == (200, ["held"])
        outcome = named | {"outcome": "value", "value": lease["arguments"]["value"]}
        assert client.post("/tasks/release", {"outcomes": [outcome]}).status == 200
        assert client.post("/tasks/release", {"outcomes": [outcome]}).status == 200
        late = client.post("/tasks/release", {"outcomes": [outcome | {"value": "other"}]})
        assert (late.status, late.json["type"]) == (409, "urn:orchestrator:problem:lease_lost")
        shown = ended.result().json
    assert (shown["state"], shown["result"]) == ("COMPLETED", PRICE)
    assert monotonic() - began < LONG_BEFORE_THE_TIME_IS_OVER
