"""What a request brings along: its body, read strictly, and its query parameters, each known and given once."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, get_type_hints

from django.http import HttpRequest
from ninja.errors import ValidationError
from ninja.parser import Parser

from processes import wire
from processes.problems import UNSUPPORTED_MEDIA_TYPE, Rejected

View = Callable[..., Any]


class StrictJson(Parser):
    """Reads JSON so that nothing in it is ambiguous."""

    def parse_body(self, request: HttpRequest) -> Any:
        """The body. Raises Rejected for another media type, and NotJson."""
        if request.content_type != "application/json":
            raise Rejected(UNSUPPORTED_MEDIA_TYPE)
        return wire.parse(request.body)


def known_parameters_only(view: View) -> View:
    """A view that refuses query parameters it does not know, or gets twice; the library ignores them."""
    hints = get_type_hints(view, include_extras=True).values()
    marked = [
        each for each in hints if any(type(mark).__name__ == "Query" for mark in getattr(each, "__metadata__", ()))
    ]
    known = {name for each in marked for name in each.__origin__.model_fields}

    @wraps(view)
    def checked(request: HttpRequest, *arguments: Any, **named: Any) -> Any:
        wrong = [name for name, values in request.GET.lists() if name not in known or len(values) > 1]
        if wrong:
            raise ValidationError(
                [{"loc": ("query", name), "msg": "unknown, or given twice"} for name in sorted(wrong)]
            )
        return view(request, *arguments, **named)

    return checked
