"""The orders example: file, payment service, workers, deciders, and orders of each kind on real workers."""

from __future__ import annotations

import csv
import json
import shutil
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from http.client import HTTPConnection
from pathlib import Path
from time import monotonic, sleep

import pytest
from django.db import transaction

from examples.orders import actors, catalogue, invoices
from examples.orders.catalogue import INITIAL_STOCK
from examples.orders.charging import URL_VARIABLE, PaymentRefused, PaymentUnavailable, charge_card
from examples.orders.ledger import CHARGED, REFUSED, UNAVAILABLE, Entry, read_ledger
from examples.orders.models import Booking, Invoice, Product
from examples.orders.reading import COLUMNS, Order, Rejected, read_orders
from examples.orders.running import start
from examples.orders.verifying import Fate, expected_fate, problems
from orchestrator.local.django_programs import in_project
from orchestrator.local.programs import Ownership, Program
from processes.models import Process
from processes.states import FINAL_STATES, ProcessState
from tasks.actors import Code, Failure
from tests.by_hand import finished, task_of, wait_until
from tests.conftest import Launch

GOOD_ROW = ("1", "Ada Eze", "ada@example.org", "SIEVE-FINE", "2", "7.50", "card-1")
PATIENCE_SECONDS = 60


class Payments:
    """A payment service of this test's own, to be killed and started again."""

    def __init__(self, folder: Path) -> None:
        self.ledger_path = folder / "ledger.jsonl"
        self._port_file = folder / "port"
        self._ownership = Ownership(folder / "payments")
        command = [sys.executable, "-m", "examples.orders.payments", "--ledger", str(self.ledger_path)]
        self.program = Program(
            "payments", self._ownership, [*command, "--port-file", str(self._port_file)], environ=in_project({})
        )
        self.start()

    def start(self) -> None:
        """Start it, on a port that is free."""
        self._port_file.unlink(missing_ok=True)
        self.program.start()
        until = monotonic() + PATIENCE_SECONDS
        while not self._port_file.exists():
            assert self.program.is_running(), self.program.last_words()
            assert monotonic() < until
            sleep(0.01)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._port_file.read_text())

    def ask(self, body: bytes, key: str | None, path: str = "/charges") -> tuple[int, dict[str, object]]:
        """The status and the content of its answer."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("POST", path, body, {"Idempotency-Key": key} if key else {})
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    def end(self) -> None:
        """Stop it."""
        if self.program.is_running():
            self.program.kill()
        self._ownership.close()


@pytest.fixture
def payments(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Payments]:
    service = Payments(folder)
    monkeypatch.setenv(URL_VARIABLE, f"http://127.0.0.1:{service.port}")
    yield service
    service.end()


@pytest.fixture
def invoice_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = folder / "invoices"
    path.mkdir()
    monkeypatch.setenv(invoices.FOLDER_VARIABLE, str(path))
    return path


@pytest.fixture
def shop(rows: None) -> None:
    catalogue.stock_up()


# --- The file ------------------------------------------------------------------------------------------------------


def test_the_file_has_500_rows_of_which_five_are_rejected_by_line_and_reason() -> None:
    orders, rejected = read_orders()
    assert len(orders) == 495
    assert rejected == [
        Rejected(9, "quantity 'two' is no positive whole number"),
        Rejected(230, "unit_price '12,90' is no price"),
        Rejected(247, "'no mail' is no e-mail address"),
        Rejected(251, "no customer"),
        Rejected(464, "5 columns instead of 7"),
    ]


def test_the_file_has_orders_of_every_kind() -> None:
    orders, _ = read_orders()
    fates = Counter(expected_fate(order) for order in orders)
    assert fates == {Fate.DELIVERED: 479, Fate.REFUSED: 6, Fate.UNKNOWN_PRODUCT: 10}
    flaky = [order for order in orders if order.card.startswith("flaky")]
    assert [expected_fate(order) for order in flaky] == [Fate.DELIVERED] * 8
    needed = Counter[str]()
    for order in orders:
        needed[order.sku] += order.quantity
    assert max(needed.values()) <= INITIAL_STOCK


@pytest.mark.parametrize(
    ("place", "text", "reason"),
    [
        (0, "ten", "number 'ten' is no positive whole number"),
        (0, "0", "number '0' is no positive whole number"),
        (0, "9" * 10, "number '9999999999' is no positive whole number"),
        (1, " ", "no customer"),
        (2, "nobody", "'nobody' is no e-mail address"),
        (3, "", "no sku"),
        (4, "-1", "quantity '-1' is no positive whole number"),
        (4, "1.5", "quantity '1.5' is no positive whole number"),
        (5, "7,50", "unit_price '7,50' is no price"),
        (5, "0.00", "unit_price '0.00' is no price"),
        (5, "7.505", "unit_price '7.505' is no price"),
        (5, "NaN", "unit_price 'NaN' is no price"),
        (5, "1e3", "unit_price '1e3' is no price"),
        (6, "", "no card"),
    ],
)
def test_a_malformed_row_is_rejected_by_line_and_holds_up_no_other(
    tmp_path: Path, place: int, text: str, reason: str
) -> None:
    bad = [*GOOD_ROW[:place], text, *GOOD_ROW[place + 1 :]]
    path = written(tmp_path, bad, GOOD_ROW, GOOD_ROW, GOOD_ROW[:3])
    good = Order(1, "Ada Eze", "ada@example.org", "SIEVE-FINE", 2, Decimal("7.50"), "card-1")
    assert read_orders(path) == (
        [good],
        [Rejected(2, reason), Rejected(4, "number 1 is there already"), Rejected(5, "3 columns instead of 7")],
    )


def test_a_file_with_other_columns_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "orders.csv"
    path.write_text("number,customer\n1,Ada\n")
    with pytest.raises(ValueError, match="does not begin with the columns number,customer,email,sku"):
        read_orders(path)


# --- The payment service -------------------------------------------------------------------------------------------


def test_a_key_is_charged_once_however_many_ask_at_once(payments: Payments) -> None:
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: charge_card("order-1", "card-1", Decimal("9.50")), range(100)))
    assert answers == ["pay-order-1"] * 100
    assert read_ledger(payments.ledger_path) == [Entry("order-1", "card-1", "9.50", CHARGED, "pay-order-1")]


@pytest.mark.parametrize(("card", "amount"), [("card-1", "9.51"), ("card-2", "9.50")])
def test_a_key_is_never_used_for_a_different_charge(payments: Payments, card: str, amount: str) -> None:
    charge_card("order-1", "card-1", Decimal("9.50"))
    status, content = payments.ask(json.dumps({"card": card, "amount": amount}).encode(), "order-1")
    assert (status, content) == (422, {"error": "order-1 belongs to a different charge"})
    assert [entry.amount for entry in read_ledger(payments.ledger_path)] == ["9.50"]


def test_a_refused_card_is_refused_for_good_and_written_down_once(payments: Payments) -> None:
    for _ in range(3):
        with pytest.raises(PaymentRefused, match="card refused-1 is refused"):
            charge_card("order-1", "refused-1", Decimal(1))
    assert read_ledger(payments.ledger_path) == [Entry("order-1", "refused-1", "1", REFUSED)]


def test_a_flaky_card_fails_twice_for_each_order_and_then_works(payments: Payments) -> None:
    for key in ("order-1", "order-2"):
        for _ in range(2):
            with pytest.raises(PaymentUnavailable, match="answers 503"):
                charge_card(key, "flaky-1", Decimal(1))
        assert charge_card(key, "flaky-1", Decimal(1)) == f"pay-{key}"
    statuses = [entry.status for entry in read_ledger(payments.ledger_path)]
    assert statuses == [UNAVAILABLE, UNAVAILABLE, CHARGED] * 2


def test_the_ledger_survives_kill_9_even_of_a_half_written_line(
    payments: Payments, monkeypatch: pytest.MonkeyPatch
) -> None:
    charge_card("order-1", "card-1", Decimal(1))
    with pytest.raises(PaymentUnavailable):
        charge_card("order-2", "flaky-2", Decimal(2))
    before = payments.ledger_path.read_bytes()
    payments.program.kill()
    with pytest.raises(PaymentUnavailable, match="cannot be reached"):
        charge_card("order-1", "card-1", Decimal(1))
    with payments.ledger_path.open("ab") as file:
        file.write(b'{"key": "order-3", "car')
    payments.start()
    monkeypatch.setenv(URL_VARIABLE, f"http://127.0.0.1:{payments.port}")
    assert payments.ledger_path.read_bytes() == before
    assert charge_card("order-1", "card-1", Decimal(1)) == "pay-order-1"
    with pytest.raises(PaymentUnavailable):
        charge_card("order-2", "flaky-2", Decimal(2))
    assert charge_card("order-2", "flaky-2", Decimal(2)) == "pay-order-2"
    written_down = [(entry.key, entry.status) for entry in read_ledger(payments.ledger_path)]
    assert written_down == [
        ("order-1", CHARGED),
        ("order-2", UNAVAILABLE),
        ("order-2", UNAVAILABLE),
        ("order-2", CHARGED),
    ]


@pytest.mark.parametrize(
    ("body", "key", "path", "status"),
    [
        (b"{", "order-1", "/charges", 400),
        (b"[]", "order-1", "/charges", 400),
        (b'{"card": "card-1"}', "order-1", "/charges", 400),
        (b'{"card": "card-1", "amount": 1}', "order-1", "/charges", 400),
        (b'{"card": "card-1", "amount": "1"}', None, "/charges", 400),
        (b'{"card": "card-1", "amount": "1"}', "order-1", "/refunds", 404),
    ],
)
def test_what_is_no_charge_is_answered_and_written_down_nowhere(
    payments: Payments, body: bytes, key: str | None, path: str, status: int
) -> None:
    assert payments.ask(body, key, path)[0] == status
    assert read_ledger(payments.ledger_path) == []


# --- Workers as the functions they are, deciders step by step ------------------------------------------------------


def test_booking_takes_stock_once_and_a_failed_booking_takes_none(shop: None) -> None:
    actors.book_stock(1, "SIEVE-FINE", 3)
    with pytest.raises(actors.UnknownProduct, match="there is no product CUP-GOLD-1"):
        actors.book_stock(2, "CUP-GOLD-1", 1)
    with pytest.raises(actors.OutOfStock, match="fewer than 998 of SIEVE-FINE are left"):
        actors.book_stock(3, "SIEVE-FINE", 998)
    assert Product.objects.get(sku="SIEVE-FINE").stock == INITIAL_STOCK - 3
    assert [(each.order_number, each.quantity) for each in Booking.objects.all()] == [(1, 3)]


def test_stock_is_released_once_and_never_of_what_was_dispatched(shop: None) -> None:
    actors.book_stock(1, "SIEVE-FINE", 3)
    actors.book_stock(2, "SIEVE-FINE", 4)
    actors.release_stock(1)
    actors.dispatch(2)
    for again in (actors.release_stock, actors.dispatch):
        for number in (1, 2, 3):
            with pytest.raises(actors.NotBooked), transaction.atomic():
                again(number)
    assert Product.objects.get(sku="SIEVE-FINE").stock == INITIAL_STOCK - 4
    assert list(Booking.objects.order_by("order_number").values_list("order_number", "released")) == [
        (1, True),
        (2, False),
    ]


def test_an_invoice_that_is_written_twice_is_one_row_and_one_file_that_names_its_order(
    shop: None, invoice_folder: Path
) -> None:
    for _ in range(2):
        actors.write_invoice(7, "Zoë (Łódź)", "SIEVE-FINE", 2, Decimal("15.00"), "pay-order-7")
    assert [path.name for path in invoice_folder.iterdir()] == ["invoice-7.pdf"]
    text = invoices.text_of(invoices.path_of(7))
    assert all(part in text for part in ("(Invoice of order 7)", "2 x SIEVE-FINE", "Total 15.00", "pay-order-7"))
    assert Invoice.objects.get().total == Decimal("15.00")


@pytest.mark.parametrize(("begin", "end"), [(0, None), (4, None), (600, None), (-2, None), (-8, None), (12, 13)])
def test_a_file_of_which_a_part_is_missing_is_no_invoice(invoice_folder: Path, begin: int, end: int | None) -> None:
    path = invoices.render(7, "Ada", [], Decimal(1), "pay")
    content = path.read_bytes()
    path.write_bytes(content[:begin] + (content[end:] if end else b""))
    with pytest.raises(invoices.BrokenInvoice):
        invoices.text_of(path)


def test_an_order_whose_card_is_refused_gives_its_stock_back(shop: None) -> None:
    actors.book_stock(7, "SIEVE-FINE", 2)
    refusal = Failure.of(PaymentRefused("card refused-7 is refused"))
    process = finished(actors.settle, 7, "Ada", "SIEVE-FINE", 2, Decimal("15.00"), refusal)
    assert process.value == {"order": 7, "outcome": "refused"}
    assert Product.objects.get(sku="SIEVE-FINE").stock == INITIAL_STOCK


def test_an_order_of_which_nobody_knows_whether_it_was_charged_is_not_called_refused(shop: None) -> None:
    actors.book_stock(7, "SIEVE-FINE", 2)
    unclear = Failure.of(PaymentUnavailable("the payment service answers 503"))
    process = finished(actors.settle, 7, "Ada", "SIEVE-FINE", 2, Decimal("15.00"), unclear)
    assert (process.state, process.failed_task_id) == (ProcessState.FAILED, process.id)
    assert process.failure is not None
    assert Failure.from_text(process.failure).message == "order 7: the payment service answers 503"
    assert Product.objects.get(sku="SIEVE-FINE").stock == INITIAL_STOCK - 2
    assert Booking.objects.waiting().count() == 1


# --- On real workers -----------------------------------------------------------------------------------------------


def test_orders_of_each_kind_end_as_they_should_and_whatever_does_not_add_up_is_told(
    shop: None, payments: Payments, invoice_folder: Path, launch: Launch
) -> None:
    orders = [
        order_of(1, "card-1"),
        order_of(2, "card-2"),
        order_of(3, "flaky-3"),
        order_of(4, "refused-4"),
        order_of(5, "card-5", sku="CUP-GOLD-1"),
    ]
    launch()
    launch("beat")
    assert start(orders) == {Code.CREATED: 5}
    wait_for(orders)
    assert start(orders) == {Code.EXISTS: 5}
    assert list(problems(orders, payments.ledger_path)) == []

    processes = [Process.objects.get(custom_id=order.custom_id) for order in orders]
    stuck = task_of(processes[4], actors.book_stock)
    assert processes[4].state == ProcessState.FAILED
    assert processes[4].failed_task_id == stuck.id
    assert Failure.from_text(processes[4].failure or "").message == "there is no product CUP-GOLD-1"
    assert [task_of(process, actors.charge).tries for process in processes[2:4]] == [2, 1]
    assert stuck.tries == 1
    tell_what_does_not_add_up(orders, payments.ledger_path)


def tell_what_does_not_add_up(orders: list[Order], ledger_path: Path) -> None:
    """Break one thing after the other; each is told, by name, in a line of its own."""
    with ledger_path.open("a") as file:
        file.write(json.dumps({"key": "order-2", "card": "card-2", "amount": "15.00", "status": 200}) + "\n")
        file.write(json.dumps({"key": "order-9", "card": "card-9", "amount": "15.00", "status": 200}) + "\n")
    Invoice.objects.filter(order_number=1).update(total=Decimal("15.01"))
    invoices.path_of(2).unlink()
    shutil.copy(invoices.path_of(1), invoices.path_of(3))
    shutil.copy(invoices.path_of(1), invoices.path_of(4))
    invoices.path_of(1).write_bytes(b"%PDF-1.3")
    Booking.objects.filter(order_number=3).update(dispatched_at=None)
    Booking.objects.filter(order_number=2).update(quantity=1)
    Process.objects.filter(custom_id="order-4").update(custom_id=None)
    assert list(problems(orders, ledger_path)) == [
        "order 4 should be refused, and is not there",
        "the ledger has order-9, which is no order",
        "charged too often: 2",
        "the invoice of order 1 says 15.01, paid by pay-order-1",
        "the invoice of order 2 says 15.00, paid by pay-order-2",
        "not rendered: invoice-2.pdf",
        "rendered too often: invoice-4.pdf",
        f"{invoices.path_of(1)} is no whole PDF file",
        "invoice-3.pdf does not name order 3",
        "not dispatched: 3",
        "order 2 booked 1 of SIEVE-FINE",
        "SIEVE-FINE: 994 on the shelf, where 5 of 1000 are taken",
    ]


def wait_for(orders: list[Order]) -> None:
    """Wait until all of them have ended or stand still."""
    ended = Process.objects.filter(state__in=[*FINAL_STATES, ProcessState.FAILED])
    ours = ended.filter(custom_id__in=[order.custom_id for order in orders])
    wait_until(lambda: ours.count() == len(orders), PATIENCE_SECONDS)


def order_of(number: int, card: str, sku: str = "SIEVE-FINE") -> Order:
    """An order of two."""
    return Order(number, "Ada Eze", "ada@example.org", sku, 2, Decimal("7.50"), card)


def written(folder: Path, *rows: Sequence[str]) -> Path:
    """A file of orders with these rows."""
    path = folder / "orders.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([COLUMNS, *rows])
    return path
