"""Round everything under `/api/`: what Django answers by itself becomes a problem document, too."""

from __future__ import annotations

from collections.abc import Callable

import orjson
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from orchestrator.access.allowance import Allowance
from orchestrator.api.answering import PROBLEM
from orchestrator.api.credentials import ALLOWANCE
from processes.problems import (
    BODY_TOO_LARGE,
    INTERNAL,
    MALFORMED,
    METHOD_NOT_ALLOWED,
    NOT_FOUND,
    Kind,
    Rejected,
    problem_of,
)

PREFIX = "/api/"
KINDS = {each.status: each for each in (MALFORMED, NOT_FOUND, METHOD_NOT_ALLOWED, BODY_TOO_LARGE)}


class ProblemDocuments:
    """Makes problem documents of other errors, and tells what is left of a token's rate."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer."""
        response = self._get_response(request)
        if not request.path.startswith(PREFIX):
            return response
        if response.status_code >= 400 and response.get("Content-Type") != PROBLEM:
            kept = {"Allow": response["Allow"]} if "Allow" in response else {}
            response = document(KINDS.get(response.status_code, INTERNAL), response.status_code, kept)
        allowance: Allowance | None = request.META.get(ALLOWANCE)
        for name, value in (allowance.headers() if allowance is not None else {}).items():
            response.headers.setdefault(name, value)
        return response

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """Answer what views outside the API object raise."""
        if not isinstance(error, Rejected):
            return None
        return document(error.kind, error.kind.status, error.headers, error.problem.model_dump())


def document(
    kind: Kind, status: int, headers: dict[str, str], problem: dict[str, object] | None = None
) -> HttpResponse:
    """A problem document of this kind."""
    told = problem or problem_of(kind).model_dump() | {"status": status}
    return HttpResponse(orjson.dumps(told), status=status, content_type=PROBLEM, headers=headers)
