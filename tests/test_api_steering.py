"""Acts over HTTP: done once, in the caller's name; refused with codes that the description of the API names."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from unittest.mock import ANY
from uuid import UUID

import orjson
import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from orchestrator.api.assembling import api
from processes.models import Event, Process, ProcessState, new_id
from tasks.models import ActorStatus, Task
from tests.acting import client, post
from tests.by_hand import finished, registered, run_to_standstill, task_of
from tests.every_row import every_row
from tests.flows import actors
from tests.recovery_rows import process
from tests.scene import Scene
from tests.steered import approval, approve, asked_later, lost

pytestmark = pytest.mark.usefixtures("rows")

PROBLEM = "urn:orchestrator:problem:"
OF_PROCESSES = ("abort", "pause", "resume", "restart", "restart-failed-tasks")


def state_of(of: Process | UUID) -> str:
    [state] = Process.objects.filter(id=of.id if isinstance(of, Process) else of).values_list("state", flat=True)
    return state


def test_an_act_is_done_and_answered_with_its_record() -> None:
    operator = client("operate")
    moving = registered(actors.echo, 1)
    answer = post(operator, f"/processes/{moving.id}/pause", {"reason": "stocktaking"})
    assert answer.status_code == 200, answer.content
    record = Event.objects.get(process_id=moving.id, kind="paused")
    assert answer.json() == {
        "id": record.id,
        "kind": "paused",
        "at": ANY,
        "process_id": str(moving.id),
        "task_id": None,
        "by": record.by,
        "reason": "stocktaking",
        "request_id": None,
        "detail": {"state_before": "RUNNING"},
    }
    assert record.by.startswith("tests (")
    assert state_of(moving) == "PAUSED"
    resumed = post(operator, f"/processes/{moving.id}/resume", {})
    assert (resumed.json()["detail"]["state"], state_of(moving)) == ("RUNNING", "RUNNING")
    restarted = post(operator, f"/processes/{moving.id}/restart", {}).json()
    assert (state_of(moving), state_of(UUID(restarted["detail"]["restarted_as"]))) == ("ABORTED", "REGISTERING")


def test_what_failed_is_restarted_one_by_one_or_all_at_once() -> None:
    operator = client("operate")
    stopped = finished(actors.two_branches, "no")
    failed = task_of(stopped, actors.fail)
    answer = post(operator, f"/tasks/{failed.id}/restart", {})
    assert (answer.status_code, answer.json()["task_id"], state_of(stopped)) == (200, str(failed.id), "RUNNING")
    run_to_standstill()
    assert state_of(stopped) == "FAILED"
    answer = post(operator, f"/processes/{stopped.id}/restart-failed-tasks", {})
    assert (answer.json()["detail"]["restarted"], state_of(stopped)) == ([str(failed.id)], "RUNNING")


@pytest.mark.parametrize("act", OF_PROCESSES[:4])
def test_the_same_request_id_gets_the_first_answer_and_acts_once(act: str) -> None:
    operator = client("operate")
    subject = process(ProcessState.PAUSED if act == "resume" else ProcessState.RUNNING)
    body = {"request_id": "once", "reason": "first"}
    first = post(operator, f"/processes/{subject.id}/{act}", body)
    rows = every_row()
    again = post(operator, f"/processes/{subject.id}/{act}", body | {"reason": "second"})
    assert (first.status_code, again.status_code, again.json()) == (200, 200, first.json())
    other = post(operator, f"/processes/{process().id}/{act}", body)
    assert (other.status_code, other.json()["type"]) == (422, f"{PROBLEM}invalid")
    Process.objects.latest("id").delete()
    assert every_row() == rows


def test_an_external_task_is_completed_with_any_value_and_again_with_the_same() -> None:
    operator = client("operate")
    asking = finished(approval, "x")
    path = f"/tasks/{task_of(asking, approve).id}/complete"
    first = post(operator, path, {"value": {"$": "decimal", "v": "1.50"}})
    assert first.status_code == 200, first.content
    again = post(operator, path, {"value": {"$": "decimal", "v": "1.50"}})
    assert again.json() == first.json()
    other = post(operator, path, {"value": {"$": "decimal", "v": "1.51"}})
    assert (other.status_code, other.json()["type"]) == (409, f"{PROBLEM}already_settled")
    run_to_standstill()
    asking.refresh_from_db()
    assert asking.value == Decimal("1.50")


def test_an_external_task_is_failed_with_type_message_and_detail() -> None:
    operator = client("operate")
    asking = finished(approval, "x")
    asked = task_of(asking, approve)
    answer = post(operator, f"/tasks/{asked.id}/fail", {"message": "no", "type": "Refused", "detail": {"n": 1}})
    assert answer.status_code == 200, answer.content
    asked.refresh_from_db()
    failure = orjson.loads(asked.failure or "")
    assert (failure["type"], failure["message"], failure["detail"]) == ("Refused", "no", {"n": 1})
    assert state_of(asking) == "FAILED"


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"value": {"$": "ref", "v": 1}}, "invalid"),
        ({"value": {"$": "nothing", "v": 1}}, "invalid"),
        ({"value": "x" * 3_000_000}, "body_too_large"),
        ({"value": 1, "by": "root"}, "invalid"),
        ({"value": 1, "reason": "x" * 2001}, "invalid"),
        ({"value": 1, "request_id": ""}, "invalid"),
        ({"value": 1, "request_id": "\0"}, "invalid"),
    ],
)
def test_an_order_that_makes_no_sense_changes_nothing(body: object, kind: str) -> None:
    asked = task_of(finished(approval, "x"), approve)
    operator = client("operate")
    rows = every_row()
    answer = post(operator, f"/tasks/{asked.id}/complete", body)
    assert (answer.status_code, answer.json()["type"]) == (413 if "large" in kind else 422, PROBLEM + kind)
    assert every_row() == rows


def test_an_actor_is_blocked_and_unblocked_and_so_is_everything() -> None:
    operator = client("operate")
    for name, blocked, unblocked in (
        ("flows.add#1.0", "blocked", "unblocked"),
        ("*", "everything_paused", "everything_resumed"),
    ):
        answers = [
            post(operator, f"/actors/{act}", {"actor": name}) for act in ("block", "block", "unblock", "unblock")
        ]
        assert [each.status_code for each in answers] == [200, 409, 200, 409]
        assert [answers[0].json()["kind"], answers[2].json()["kind"]] == [blocked, unblocked]
        assert answers[0].json()["detail"] == {"actor": name}
        assert [each.json()["type"] for each in answers[1::2]] == [f"{PROBLEM}already_blocked", f"{PROBLEM}not_blocked"]
        assert ActorStatus.objects.get(name=name).blocked_at is None
    wrong = post(operator, "/actors/block", {"actor": "no name#"})
    assert (wrong.status_code, ActorStatus.objects.count()) == (422, 2)


def test_a_person_may_do_by_http_what_the_console_allows() -> None:
    person = User.objects.create_user("ada")
    person.user_permissions.add(Permission.objects.get(codename="pause_process"))
    signed_in = Client()
    signed_in.force_login(person)
    subject = process()
    assert post(signed_in, f"/processes/{subject.id}/abort", {}).status_code == 403
    assert post(signed_in, f"/processes/{subject.id}/pause", {}).json()["by"] == "ada"
    assert state_of(subject) == "PAUSED"
    guarded = Client(enforce_csrf_checks=True)
    guarded.force_login(person)
    assert post(guarded, f"/processes/{subject.id}/resume", {}).json()["type"] == f"{PROBLEM}csrf_failed"


def documented() -> dict[tuple[str, int], list[str]]:
    """The codes that the API's description names, by the end of the path and the status."""
    return {
        (path.removeprefix("/api/v1"), int(status)): answer["description"].split(", ")
        for path, operations in api.get_openapi_schema()["paths"].items()
        for status, answer in operations.get("post", {"responses": {}})["responses"].items()
    }


def test_every_refusal_of_every_act_in_every_state_is_documented_and_changes_nothing() -> None:
    operator = client("operate")
    ended = [process(state) for state in (ProcessState.COMPLETED, ProcessState.TIMED_OUT, ProcessState.ABORTED)]
    deleted = process(ProcessState.COMPLETED)
    Process.objects.filter(id=deleted.id).update(deletion_began_at=deleted.ended_at)
    scenes = [
        Scene(state).process for state in ProcessState.values if state not in ("COMPLETED", "TIMED_OUT", "ABORTED")
    ]
    alive = [finished(lost, "no"), registered(asked_later, "x")]
    subjects: list[Process | UUID] = [*ended, deleted, *scenes, *alive, new_id()]
    codes = documented()
    met: set[str] = set()

    def ask(path: str, template: str, body: object) -> None:
        rows = every_row()
        answer = post(operator, path, body)
        if answer.status_code == 200:
            return
        code = answer.json()["type"].removeprefix(PROBLEM)
        assert code in codes[template, answer.status_code], (path, code)
        assert every_row() == rows
        met.add(code)

    for subject in subjects:
        process_id = subject.id if isinstance(subject, Process) else subject
        for act in ("restart-failed-tasks", "resume", "pause", "pause", "abort", "restart", "restart"):
            ask(f"/processes/{process_id}/{act}", f"/processes/{{process_id}}/{act}", {})
    finished(lost, "no")
    Scene("FAILED")
    tasks = [*{(each.kind, each.state, each.process.state): each.id for each in Task.objects.all()}.values(), new_id()]
    asks: list[tuple[str, dict[str, Any]]] = [("restart", {}), ("complete", {"value": 1}), ("fail", {"message": "no"})]
    for task_id in tasks:
        for act, body in asks:
            ask(f"/tasks/{task_id}/{act}", f"/tasks/{{task_id}}/{act}", body)
    assert met >= {
        "no_such_process",
        "no_such_task",
        "already_ended",
        "already_restarted",
        "being_deleted",
        "not_running",
        "not_paused",
        "nothing_failed",
        "not_failed",
        "not_external",
        "already_settled",
    }
