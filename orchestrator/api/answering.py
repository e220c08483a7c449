"""How the API answers: every error is a problem document, in fact and in the OpenAPI document."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import orjson
from django.core.exceptions import RequestDataTooBig
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, ValidationError
from ninja.openapi.schema import OpenAPISchema
from ninja.renderers import BaseRenderer

from orchestrator.api.credentials import unauthenticated
from processes.errors import InvalidOrder, NotJson, NotStorable, Refused, RequestIdTaken, ValueTooLarge
from processes.problems import (
    BODY_TOO_LARGE,
    CSRF_FAILED,
    INVALID,
    MALFORMED,
    RETRY_AFTER,
    UNREACHABLE,
    FieldError,
    Kind,
    Rejected,
    kind_of,
)
from tasks.api.starting import OUTCOME_UNKNOWN
from tasks.errors import OutcomeUnknown, TasksError

JSON, PROBLEM = "application/json", "application/problem+json"
KINDS: Mapping[Kind, tuple[type[Exception], ...]] = {
    BODY_TOO_LARGE: (RequestDataTooBig, ValueTooLarge),
    MALFORMED: (NotJson,),
    INVALID: (NotStorable, InvalidOrder, RequestIdTaken, TasksError),
}
"""What is answered with which kind of problem, whatever view raises it."""


class Orjson(BaseRenderer):
    """Renders with orjson."""

    media_type = JSON

    def render(self, request: HttpRequest, data: Any, *, response_status: int) -> bytes:
        """The bytes of an answer."""
        return orjson.dumps(data)


class Api(NinjaAPI):
    """django-ninja's API, whose errors are problem documents."""

    def create_response(
        self,
        request: HttpRequest,
        data: Any,
        *,
        status: int | None = None,
        temporal_response: HttpResponse | None = None,
    ) -> HttpResponse:
        """An answer with its media type."""
        response = super().create_response(request, data, status=status, temporal_response=temporal_response)
        response["Content-Type"] = PROBLEM if response.status_code >= 400 else JSON
        return response

    def get_openapi_schema(
        self, *, path_prefix: str | None = None, path_params: dict[str, Any] | None = None
    ) -> OpenAPISchema:
        """The OpenAPI 3.1 document."""
        schema = super().get_openapi_schema(path_prefix=path_prefix, path_params=path_params)
        for path in schema["paths"].values():
            for operation in path.values():
                for status, answer in operation["responses"].items():
                    if int(status) >= 400 and JSON in answer.get("content", {}):
                        answer["content"] = {PROBLEM: answer["content"].pop(JSON)}
        return schema

    def answer(self, request: HttpRequest, rejected: Rejected) -> HttpResponse:
        """The problem document of a request that was rejected."""
        response = self.create_response(request, rejected.problem.model_dump(), status=rejected.kind.status)
        for name, value in rejected.headers.items():
            response[name] = value
        return response


def answer_errors(api: Api) -> None:
    """Have an API answer what our code and the library raise."""

    def on(error: type[Exception], reject: Callable[[Any], Rejected]) -> None:
        def answer(request: HttpRequest, raised: Any) -> HttpResponse:
            return api.answer(request, reject(raised))

        api.add_exception_handler(error, answer)

    for kind, errors in KINDS.items():
        for each in errors:
            on(each, partial(_as, kind))
    on(OperationalError, away_of)
    on(InterfaceError, away_of)
    on(OutcomeUnknown, lambda error: away_of(error, OUTCOME_UNKNOWN))
    on(Rejected, lambda rejected: rejected)
    on(Refused, lambda refusal: Rejected(kind_of(type(refusal)), str(refusal)))
    on(AuthenticationError, lambda _: unauthenticated())
    on(ValidationError, invalid)
    on(HttpError, of_the_library)


def _as(kind: Kind, error: Exception) -> Rejected:
    return Rejected(kind, str(error))


def away_of(error: Exception, kind: Kind = UNREACHABLE) -> Rejected:
    """The database cannot be reached, or breaks off."""
    return Rejected(kind, str(error).strip(), headers=RETRY_AFTER)


def invalid(error: ValidationError) -> Rejected:
    """What does not fit the schema, place by place."""
    errors = [FieldError(where=place_of(each["loc"]), message=each["msg"]) for each in error.errors]
    return Rejected(INVALID, errors=errors)


def place_of(location: tuple[str | int, ...]) -> list[str | int]:
    """The way to a place; the library puts the name of the view's parameter second."""
    return [location[0], *location[2:]] if location[:1] in (("body",), ["body"]) else list(location)


def of_the_library(error: HttpError) -> Rejected:
    """What the library itself refuses; what our parser raises arrives wrapped."""
    cause = error.__cause__
    if isinstance(cause, Rejected):
        return cause
    if isinstance(cause, NotJson):
        return Rejected(MALFORMED, str(cause))
    if isinstance(cause, RequestDataTooBig):
        return Rejected(BODY_TOO_LARGE)
    return Rejected(CSRF_FAILED if error.status_code == 403 else MALFORMED, str(error))
