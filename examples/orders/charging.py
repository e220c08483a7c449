"""The client of the payment service, as a shop would have one."""

from __future__ import annotations

import json
import os
from decimal import Decimal
from http.client import HTTPException
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from examples.orders.ledger import REFUSED

URL_VARIABLE = "PAYMENTS_URL"
TIMEOUT_SECONDS = 5


class PaymentRefused(Exception):
    """The payment service refuses this card for good: trying again is useless."""


class PaymentUnavailable(Exception):
    """The payment service gave no answer that says whether the card was charged. Trying again can help."""


def charge_card(key: str, card: str, amount: Decimal) -> str:
    """Charge a card and return the id of the payment; with the same `key` it is charged once, however often asked.

    Raises PaymentRefused and PaymentUnavailable.
    """
    body = json.dumps({"card": card, "amount": str(amount)}).encode()
    request = Request(f"{os.environ[URL_VARIABLE]}/charges", body, {"Idempotency-Key": key})
    try:
        with urlopen(request, timeout=TIMEOUT_SECONDS) as answer:
            return str(json.load(answer)["payment"])
    except HTTPError as error:
        if error.code == REFUSED:
            raise PaymentRefused(f"card {card} is refused") from None
        raise PaymentUnavailable(f"the payment service answers {error.code}") from None
    except (OSError, HTTPException) as error:
        raise PaymentUnavailable(f"the payment service cannot be reached: {error}") from None
