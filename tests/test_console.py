"""People steer from the admin: each act has a permission, is shown before it is done, recorded, and told."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.contrib.auth.models import Permission, User
from django.contrib.messages import get_messages
from django.test import Client
from django.urls import reverse

from orchestrator.console import confirming
from processes.models import Event, Process, ProcessState
from tasks.actors import block, pause_everything, restart_process
from tasks.blocking import status_of
from tasks.models import EVERYTHING, ActorStatus, Task
from tasks.queries import note_poll
from tasks.states import TaskState
from tests.by_hand import finished, registered, run_to_standstill, started, task_of
from tests.flows.actors import approval, approved, chain, diamond, echo, fail, unaccepted

pytestmark = pytest.mark.usefixtures("rows")

PROCESSES = "processes_process"
TASKS = "tasks_task"
ACTORS = "tasks_actorstatus"
ACTS = [
    (PROCESSES, "abort", "processes.abort_process"),
    (PROCESSES, "pause", "processes.pause_process"),
    (PROCESSES, "resume", "processes.pause_process"),
    (PROCESSES, "restart", "processes.restart_process"),
    (PROCESSES, "restart_failed_tasks", "processes.restart_process"),
    (TASKS, "restart_tasks", "tasks.restart_task"),
    (TASKS, "complete", "tasks.complete_task"),
    (TASKS, "fail", "tasks.complete_task"),
    (ACTORS, "block", "tasks.block_actor"),
    (ACTORS, "unblock", "tasks.block_actor"),
]


def person(*permissions: str) -> Client:
    """A browser in which ann is logged in, who may look at everything and do what is named."""
    user, _ = User.objects.get_or_create(username="ann", defaults={"is_staff": True})
    looks = Permission.objects.filter(content_type__app_label__in=["processes", "tasks"], codename__startswith="view_")
    acts = Permission.objects.filter(codename__in=[each.partition(".")[2] for each in permissions])
    user.user_permissions.set([*looks, *acts])
    client = Client()
    client.force_login(user)
    return client


def address(page: str, *args: object) -> str:
    return reverse(f"admin:{page}_{'change' if args else 'changelist'}", args=args)


def selected(action: str, keys: Iterable[object], **more: str) -> dict[str, Any]:
    return {"action": action, "_selected_action": [str(key) for key in keys], **more}


def asked(client: Client, page: str, action: str, keys: Iterable[object], **more: str) -> Any:
    """The confirmation page of an action."""
    response = client.post(address(page), selected(action, keys, **more))
    assert response.status_code == 200, response
    return response


def confirmation(page: Any, **said: str) -> dict[str, str]:
    """What the browser sends when the form of a confirmation page is submitted."""
    hidden = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page.content.decode())
    return dict(hidden) | said


def confirmed(client: Client, page: str, action: str, keys: Iterable[object], **said: str) -> str:
    """Do it, and return the message."""
    response = client.post(address(page), confirmation(asked(client, page, action, keys), **said))
    assert response.status_code == 302, response.content.decode()
    return message_of(response)


def message_of(response: Any) -> str:
    """What the page will tell next; the last message where nobody has read the earlier ones."""
    told = [str(each) for each in get_messages(response.wsgi_request)]
    return told[-1] if told else ""


def states(*processes: Process) -> list[str]:
    return [Process.objects.get(id=process.id).state for process in processes]


def acts_of(process: Process) -> list[tuple[str, str, str]]:
    told = Event.objects.filter(process_id=process.id).exclude(by="").order_by("id")
    return [(each.kind, each.by, each.detail["reason"]) for each in told]


@pytest.mark.parametrize(("page", "action", "permission"), ACTS, ids=[act for _, act, _ in ACTS])
def test_an_act_without_its_permission_is_neither_offered_nor_done(page: str, action: str, permission: str) -> None:
    process = finished(approved, "may I?")
    note_poll("flows.echo#1.0")
    key = {PROCESSES: process.id, TASKS: task_of(process, approval).id, ACTORS: "flows.echo#1.0"}[page]
    others = [each for _, _, each in ACTS if each != permission]
    option = f'<option value="{action}">'
    without = person(*others)
    assert option not in without.get(address(page)).content.decode()
    answer = without.post(
        address(page), selected(action, [key], confirmed="yes", rows=str(key), request_id=str(uuid4()))
    )
    assert message_of(answer) in ("No action selected.", "")
    assert (states(process), Event.objects.exclude(by="").count()) == ([ProcessState.RUNNING], 0)
    assert option in person(permission).get(address(page)).content.decode()


def test_a_confirmation_shows_what_would_happen_and_changes_nothing() -> None:
    ended, running = finished(echo, 1), registered(chain, 1)
    before = [list(model.objects.order_by("pk").values()) for model in (Process, Task, Event)]
    page = asked(person("processes.abort_process"), PROCESSES, "abort", [running.id, ended.id])
    assert [list(model.objects.order_by("pk").values()) for model in (Process, Task, Event)] == before
    text = page.content.decode()
    assert "<strong>1</strong> would be done" in text
    assert re.search(
        r"<strong>1</strong> would be refused, <code>already_ended</code>: The process has ended already", text
    )
    assert f'<a href="{address(PROCESSES, ended.id)}">{ended.id}</a>' in text
    assert "outcome of what still runs is refused" in text


def test_confirmed_the_act_is_done_recorded_with_name_and_reason_and_told() -> None:
    ended, running, other = finished(echo, 1), registered(chain, 1), registered(chain, 2)
    client = person("processes.abort_process")
    told = confirmed(client, PROCESSES, "abort", [running.id, ended.id], reason="wrong customer")
    assert told == "Abort: 1 done, 1 refused (1 already_ended)"
    assert acts_of(running) == [("aborted", "ann", "wrong customer")]
    assert states(running)[0] == ProcessState.ABORTED
    assert (states(ended), acts_of(ended), acts_of(other)) == ([ProcessState.COMPLETED], [], [])


def test_a_form_sent_twice_acts_once_and_is_told_the_same() -> None:
    process = started(chain, 1, custom_id="order-1")
    client = person("processes.restart_process")
    form = confirmation(asked(client, PROCESSES, "restart", [process.id]))
    told = [message_of(client.post(address(PROCESSES), form)) for _ in range(2)]
    assert told == ["Restart from the beginning: 1 done, 0 refused"] * 2
    assert Process.objects.count() == 2


def test_all_across_pages_are_steered_in_batches_and_no_row_that_was_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orchestrator.console.actions.BATCH", 2)
    processes = [started(echo, number) for number in range(5)]
    ended = finished(echo, 9)
    waiting = [started(echo, number) for number in range(5)]
    assert states(*processes) == [ProcessState.COMPLETED] * 5
    client = person("processes.abort_process")
    registering = f"{address(PROCESSES)}?state=REGISTERING"
    page = client.post(registering, selected("abort", [waiting[0].id], select_across="1"))
    assert "<strong>5</strong> would be done" in page.content.decode()
    late = started(echo, 10)
    assert message_of(client.post(registering, confirmation(page))) == "Abort: 5 done, 0 refused"
    assert states(*waiting) == [ProcessState.ABORTED] * 5
    assert states(late, ended) == [ProcessState.REGISTERING, ProcessState.COMPLETED]


def test_no_more_rows_are_steered_at_once_than_the_bound_and_the_page_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    processes = [started(echo, number) for number in range(3)]
    monkeypatch.setattr(confirming, "AT_ONCE", 2)
    client = person("processes.abort_process")
    page = asked(client, PROCESSES, "abort", [processes[0].id], select_across="1")
    assert "At most 2 at once" in page.content.decode()
    assert message_of(client.post(address(PROCESSES), confirmation(page))) == "Abort: 2 done, 0 refused"
    assert states(*processes) == [ProcessState.REGISTERING, ProcessState.ABORTED, ProcessState.ABORTED]


@pytest.mark.parametrize(
    ("said", "error"),
    [({"reason": "x" * 2001}, "at most 2000 characters"), ({"request_id": "mine"}, "")],
    ids=["reason too long", "no request id"],
)
def test_a_form_that_is_not_valid_is_shown_again_and_changes_nothing(said: dict[str, str], error: str) -> None:
    process = registered(chain, 1)
    client = person("processes.abort_process")
    form = confirmation(asked(client, PROCESSES, "abort", [process.id]), **said)
    again = client.post(address(PROCESSES), form)
    assert (again.status_code, states(process), acts_of(process)) == (200, [ProcessState.RUNNING], [])
    assert error in again.content.decode()
    assert client.post(address(PROCESSES), form | {"rows": "no-such-row"}).status_code == 400


def test_processes_are_paused_resumed_and_restarted() -> None:
    client = person("processes.pause_process", "processes.restart_process")
    failed, running = finished(unaccepted, "no"), registered(chain, 1)
    assert confirmed(client, PROCESSES, "pause", [running.id, failed.id]) == "Pause: 1 done, 1 refused (1 not_running)"
    assert states(running) == [ProcessState.PAUSED]
    assert confirmed(client, PROCESSES, "resume", [running.id]) == "Resume: 1 done, 0 refused"
    assert states(running) == [ProcessState.RUNNING]
    told = confirmed(client, PROCESSES, "restart_failed_tasks", [running.id, failed.id], reason="repaired")
    assert told == "Restart failed tasks: 1 done, 1 refused (1 nothing_failed)"
    assert (states(failed), task_of(failed, fail).state) == ([ProcessState.RUNNING], TaskState.ENQUEUED)
    assert acts_of(failed) == [("failed_tasks_restarted", "ann", "repaired")]
    confirmed(client, PROCESSES, "restart", [failed.id])
    assert states(failed) == [ProcessState.ABORTED]


def test_a_failed_task_is_restarted_and_others_are_refused() -> None:
    process = finished(unaccepted, "no")
    failed, waiting = task_of(process, fail), task_of(process, echo)
    client = person("tasks.restart_task")
    listed = client.get(address(TASKS), {"failure": "unaccepted"}).content.decode()
    assert (str(failed.id) in listed, str(waiting.id) in listed) == (True, False)
    told = confirmed(client, TASKS, "restart_tasks", [failed.id, waiting.id], reason="repaired")
    assert told == "Restart failed tasks: 1 done, 1 refused (1 not_failed)"
    assert (task_of(process, fail).state, task_of(process, echo).state) == (TaskState.ENQUEUED, TaskState.WAITING)
    assert acts_of(process) == [("task_restarted", "ann", "repaired")]


def test_an_external_task_is_completed_with_a_value_that_is_json() -> None:
    process = finished(approved, "may I?")
    client = person("tasks.complete_task")
    form = confirmation(asked(client, TASKS, "complete", [task_of(process, approval).id]))
    wrong = client.post(address(TASKS), form | {"value": "{yes"})
    assert "Enter a valid JSON" in wrong.content.decode()
    unstorable = client.post(address(TASKS), form | {"value": str(2**64)})
    assert "integers must fit into 64 bits" in unstorable.content.decode()
    assert task_of(process, approval).state == TaskState.ENQUEUED
    done = client.post(address(TASKS), form | {"value": '{"yes": 1}', "reason": "asked him"})
    assert message_of(done) == "Complete external tasks: 1 done, 0 refused"
    run_to_standstill()
    process.refresh_from_db()
    assert process.value == {"yes": 1}
    assert acts_of(process) == [("external_task_completed", "ann", "asked him")]


def test_an_external_task_is_failed_with_a_message() -> None:
    process = finished(approved, "may I?")
    client = person("tasks.complete_task")
    told = confirmed(client, TASKS, "fail", [task_of(process, approval).id, process.id], message="he said no")
    assert told == "Fail external tasks: 1 done, 1 refused (1 not_external)"
    assert states(process) == [ProcessState.FAILED]
    assert '"he said no"' in (task_of(process, approval).failure or "")


def test_actors_are_blocked_and_unblocked() -> None:
    for name in ("flows.echo#1.0", "flows.add#1.0"):
        note_poll(name)
    block("flows.add#1.0")
    client = person("tasks.block_actor")
    told = confirmed(client, ACTORS, "block", ["flows.echo#1.0", "flows.add#1.0"], reason="the bank is closed")
    assert told == "Block: 1 done, 1 refused (1 already_blocked)"
    event = Event.objects.get(kind="blocked", by="ann")
    assert event.detail == {"actor": "flows.echo#1.0", "reason": "the bank is closed"}
    assert confirmed(client, ACTORS, "unblock", ["flows.echo#1.0"]) == "Unblock: 1 done, 0 refused"
    blocked = ActorStatus.objects.filter(blocked_at__isnull=False).values_list("name", flat=True)
    assert list(blocked) == ["flows.add#1.0"]


def test_everything_is_paused_and_resumed_on_the_page_of_the_actors_which_shows_it() -> None:
    client = person("tasks.block_actor")
    pausing, resuming = (reverse(f"admin:{act}_everything") for act in ("pause", "resume"))
    assert "Pause everything" in client.get(address(ACTORS)).content.decode()
    page = client.get(pausing)
    assert status_of(EVERYTHING).blocked_at is None
    assert message_of(client.post(pausing, confirmation(page, reason="flood"))) == "Pause everything: 1 done, 0 refused"
    assert status_of(EVERYTHING).blocked_at is not None
    listed = client.get(address(ACTORS)).content.decode()
    assert "Everything is paused since" in listed
    assert "Resume everything" in listed
    again = client.get(pausing).content.decode()
    assert "<code>already_blocked</code>" in again
    client.post(resuming, confirmation(client.get(resuming)))
    assert status_of(EVERYTHING).blocked_at is None
    told = Event.objects.filter(by="ann").order_by("id").values_list("kind", "detail__reason")
    assert list(told) == [("everything_paused", "flood"), ("everything_resumed", "")]


def test_everything_is_neither_paused_nor_offered_without_the_permission() -> None:
    client = person("processes.pause_process")
    pausing = reverse("admin:pause_everything")
    assert "Pause everything" not in client.get(address(ACTORS)).content.decode()
    assert client.post(pausing, {"confirmed": "yes", "request_id": str(uuid4())}).status_code == 403
    assert status_of(EVERYTHING).blocked_at is None
    pause_everything()
    assert "Everything is paused since" in client.get(address(ACTORS)).content.decode()


def test_the_page_of_a_process_shows_its_tasks_its_history_and_who_it_was_before_and_after() -> None:
    old = finished(unaccepted, "<b>no</b>")
    pause_and_restart = restart_process(old, by="bob", reason="anew")
    new = UUID(pause_and_restart.detail["restarted_as"])
    client = person()
    text = client.get(address(PROCESSES, old.id)).content.decode()
    for task in Task.objects.filter(process=old):
        assert address(TASKS, task.id) in text
    assert f"Process {old.id} ended as ABORTED" in text
    assert "ValueError: &lt;b&gt;no&lt;/b&gt;" in text
    assert "<b>no</b>" not in text
    assert address(PROCESSES, new) in text
    assert "bob" in text
    assert "reason: anew" in text
    assert address(PROCESSES, old.id) in client.get(address(PROCESSES, new)).content.decode()


def test_the_page_of_a_process_with_many_tasks_shows_the_first_and_links_to_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("orchestrator.console.process_page.SHOWN_ROWS", 2)
    process = finished(diamond, 1)
    client = person()
    text = client.get(address(PROCESSES, process.id)).content.decode()
    shown = [str(task.id) in text for task in Task.objects.filter(process=process).order_by("created_at", "id")]
    assert shown == [True, True, False, False, False]
    assert f"{address(TASKS)}?q={process.id}" in text
    listed = client.get(address(TASKS), {"q": str(process.id)})
    assert listed.context["cl"].result_count == 5


def test_the_page_of_a_task_shows_whom_it_awaits_and_who_awaits_it() -> None:
    process = finished(unaccepted, "no")
    failed, waiting = task_of(process, fail), task_of(process, echo)
    client = person()
    awaits = client.get(address(TASKS, waiting.id)).context["awaits"]
    waiters = client.get(address(TASKS, failed.id)).context["waiters"]
    assert [each.awaited_id for each in awaits] == [failed.id]
    assert [each.waiter_id for each in waiters] == [waiting.id]
    text = client.get(address(TASKS, waiting.id)).content.decode()
    assert f"&lt;value of task {failed.id}&gt;" in text


@pytest.mark.parametrize("size", [10_000, 200_000])
def test_a_large_value_is_cut_and_the_page_says_by_how_much(size: int) -> None:
    process = finished(echo, "y" * size)
    text = person().get(address(PROCESSES, process.id)).content.decode()
    assert text.count("y" * 100) <= 2 * 4_000 / 100
    assert "more characters are not shown" in text


def test_the_page_of_a_row_offers_its_acts_and_returns_to_it() -> None:
    process = registered(chain, 1)
    client = person("processes.pause_process")
    text = client.get(address(PROCESSES, process.id)).content.decode()
    assert [act for act in ("Pause", "Resume", "Abort") if f'value="{act} …"' in text] == ["Pause"]
    page = asked(client, PROCESSES, "pause", [process.id], back_to_row="yes")
    answer = client.post(address(PROCESSES), confirmation(page))
    assert answer["Location"] == address(PROCESSES, process.id)
    assert states(process) == [ProcessState.PAUSED]


@pytest.mark.parametrize("page", [PROCESSES, TASKS, ACTORS])
def test_nobody_deletes_rows_of_the_engine_by_the_admin_s_own_action(page: str) -> None:
    process = finished(echo, 1)
    note_poll("flows.echo#1.0")
    root, _ = User.objects.get_or_create(username="root", defaults={"is_staff": True, "is_superuser": True})
    client = Client()
    client.force_login(root)
    assert 'value="delete_selected"' not in client.get(address(page)).content.decode()
    key = "flows.echo#1.0" if page == ACTORS else process.id
    answer = client.post(address(page), selected("delete_selected", [key], post="yes"))
    assert message_of(answer) == "No action selected."
    assert (Process.objects.count(), Task.objects.count(), ActorStatus.objects.count()) == (1, 1, 1)
