"""Declares actors: what a function becomes by `@worker`, `@decider` or `@external`."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import timedelta
from functools import cached_property, lru_cache, update_wrapper
from typing import Any, Generic, Literal, ParamSpec, TypeVar, cast, overload

from django.conf import settings

from tasks.decisions import current_recorder
from tasks.errors import InvalidActor, InvalidCall, InvalidOption
from tasks.policies import DEFAULT_PRIORITY, DEFAULT_VERSION, ActorName, CallOptions, Retry
from tasks.promises import Promise, delivered
from tasks.registry import ACTORS

P = ParamSpec("P")
R = TypeVar("R")

PLAIN = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
NAMING = ("task_list", "version")
OPTIONS = frozenset(field.name for field in fields(CallOptions))
Kind = Literal["worker", "decider", "external"]
FLAGS: Mapping[Kind, tuple[str, ...]] = {"worker": ("transactional", "remote"), "decider": ("remote",), "external": ()}


@dataclass(frozen=True, kw_only=True)
class Defaults:
    """How calls of an actor are treated unless the call says otherwise; see `worker` for what each means."""

    retry: Retry = Retry()
    poll_to_end: timedelta | None = None
    heartbeat: timedelta | None = None
    enqueue_to_end: timedelta | None = None
    on_enqueue_to_end: Literal["fail", "alert"] = "fail"
    on_lease_lost: Literal["retry", "fail"] = "retry"
    priority: int = DEFAULT_PRIORITY
    accepts_failures: bool = False


class Actor(Generic[P, R]):
    """A named, versioned function that performs tasks.

    Called inside a decider it records a call and returns a Promise; the static type stays that of the function, so
    that passing the promise on to another actor type-checks. Called anywhere else it is the function.
    """

    def __init__(
        self,
        function: Callable[P, R],
        actor_name: ActorName,
        kind: Kind,
        defaults: Defaults,
        *,
        transactional: bool = False,
        remote: bool = False,
    ) -> None:
        # First, for it copies what others have set on the function, whatever they call it.
        update_wrapper(cast(Callable[..., Any], self), function)
        self.function = function
        self.actor_name = actor_name
        self.kind = kind
        self.defaults = defaults
        self.transactional = transactional
        self.remote = remote
        self.signature = inspect.signature(function)
        _ = self.call_options

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Record a call inside a decider; elsewhere call the function."""
        if current_recorder() is None:
            return self.call_here(args, kwargs)
        return BoundActor(self, self.call_options)(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<{self.kind} {self.actor_name}>"

    @property
    def retry(self) -> Retry:
        """The retry policy of calls that have none of their own."""
        return self.defaults.retry

    @property
    def call_options(self) -> CallOptions:
        """The options of a call that names none."""
        default = (
            settings.ORCHESTRATOR_TRANSACTIONAL_POLL_TO_END_SECONDS
            if self.transactional
            else settings.ORCHESTRATOR_POLL_TO_END_SECONDS
        )
        return _call_options(self.defaults, default, settings.ORCHESTRATOR_HEARTBEAT_SECONDS)

    def options(self, *, after: Any = (), **options: Any) -> BoundActor[P, R]:
        """This actor with other options for one call.

        `after`, a promise or several (typed as the values they stand for), is waited for without taking its value;
        `task_list` and `version` choose another actor of this name; `retry` or `max_attempts` and the other fields of
        `CallOptions` replace the actor's defaults. Only `give_up_on` is always the actor's own.
        Raises InvalidOption and InvalidActorName.
        """
        naming = {name: options.pop(name) for name in NAMING if name in options}
        if unknown := options.keys() - OPTIONS:
            raise InvalidOption(f"no such option of a call: {', '.join(sorted(unknown))}")
        if (retry := options.get("retry")) is not None:
            self._check_retry(retry)
            options.setdefault("max_attempts", retry.max_attempts)
        call_options = replace(self.call_options, **options)
        return BoundActor(self, call_options, replace(self.actor_name, **naming), _promises(after))

    def bind(self, args: Sequence[object], kwargs: Mapping[str, object]) -> dict[str, Any]:
        """Arguments by parameter name, defaults not filled in. Raises InvalidCall where they do not fit."""
        try:
            return dict(self.signature.bind(*args, **kwargs).arguments)
        except TypeError as error:
            raise InvalidCall(f"{self.actor_name}: {error}") from None

    def misfit(self, arguments: Mapping[str, object]) -> str | None:
        """Why stored arguments do not fit this code; None if they do."""
        unknown = arguments.keys() - self.signature.parameters.keys()
        if unknown:
            return f"{self.actor_name} has no parameter {', '.join(sorted(unknown))}"
        missing = self._required - arguments.keys()
        if missing:
            return f"{self.actor_name} needs {', '.join(sorted(missing))}"
        return None

    def call_here(self, args: Sequence[object], kwargs: Mapping[str, object]) -> R:
        """Call the function as an ordinary one. Promises, which only `no_wait` can have made, arrive as in a task."""
        given = {name: delivered(each) for name, each in kwargs.items()}
        return cast(R, delivered(cast(Callable[..., R], self.function)(*map(delivered, args), **given)))

    def call(self, arguments: Mapping[str, Any]) -> R:
        """Call the function with stored arguments that fit."""
        if self._is_plain:
            return cast(Callable[..., R], self.function)(**arguments)
        bound = self._bound(arguments)
        return cast(Callable[..., R], self.function)(*bound.args, **bound.kwargs)

    def each_argument(self, arguments: Mapping[str, Any]) -> Iterable[Any]:
        """What the function is handed, one by one: also of `*args` and `**kwargs`."""
        if self._is_plain:
            return arguments.values()
        bound = self._bound(arguments)
        return [*bound.args, *bound.kwargs.values()]

    def _bound(self, arguments: Mapping[str, Any]) -> inspect.BoundArguments:
        return inspect.BoundArguments(self.signature, cast(Any, dict(arguments)))

    def _check_retry(self, retry: object) -> None:
        if not isinstance(retry, Retry):
            raise InvalidOption("retry must be a Retry")
        if retry.give_up_on not in ((), self.retry.give_up_on):
            raise InvalidOption("give_up_on stays with the code: declare it with the actor, not with a call")

    @cached_property
    def _is_plain(self) -> bool:
        return all(parameter.kind in PLAIN for parameter in self.signature.parameters.values())

    @cached_property
    def _required(self) -> frozenset[str]:
        return frozenset(
            name
            for name, parameter in self.signature.parameters.items()
            if parameter.default is parameter.empty
            and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        )


class BoundActor(Generic[P, R]):
    """An actor with the options of one call."""

    def __init__(
        self,
        actor: Actor[P, R],
        call_options: CallOptions,
        actor_name: ActorName | None = None,
        after: tuple[Promise, ...] = (),
    ) -> None:
        self.actor = actor
        self.call_options = call_options
        self.actor_name = actor_name or actor.actor_name
        self.after = after

    @property
    def kind(self) -> Kind:
        """Which sort of actor it is."""
        return self.actor.kind

    def bind(self, args: Sequence[object], kwargs: Mapping[str, object]) -> dict[str, Any]:
        """As `Actor.bind`."""
        return self.actor.bind(args, kwargs)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Record a call inside a decider; elsewhere call the function, for which the options mean nothing."""
        recorder = current_recorder()
        if recorder is None:
            return self.actor.call_here(args, kwargs)
        arguments = self.bind(args, kwargs)
        promise = recorder.call(str(self.actor_name), self.kind, arguments, self.call_options, self.after)
        return cast(R, promise)


@overload
def worker(function: Callable[P, R], /) -> Actor[P, R]: ...
@overload
def worker(
    *,
    name: str | None = ...,
    version: str = ...,
    task_list: str = ...,
    retry: Retry = ...,
    poll_to_end: timedelta | None = ...,
    heartbeat: timedelta | None = ...,
    enqueue_to_end: timedelta | None = ...,
    on_enqueue_to_end: Literal["fail", "alert"] = ...,
    on_lease_lost: Literal["retry", "fail"] = ...,
    priority: int = ...,
    accepts_failures: bool = ...,
    transactional: bool = ...,
    remote: bool = ...,
) -> Callable[[Callable[P, R]], Actor[P, R]]: ...
def worker(function: Callable[..., Any] | None = None, /, **options: Any) -> Any:
    """Declare a worker: an actor that does something and returns a value.

    `name` (default: app.function), `version` and `task_list` name it. `retry` says how often a failing task is
    tried. `poll_to_end` bounds one attempt, `heartbeat` the silence of a worker process, `enqueue_to_end` all
    attempts together; `on_lease_lost` ("retry" or "fail") and `on_enqueue_to_end` ("fail" or "alert") say what
    happens then. `priority` is 0 (first) to 9 (last). `accepts_failures` lets it be handed a Failure.
    `transactional` commits its ORM writes and its completion together. `remote` declares code that lives elsewhere.
    Raises InvalidActor, InvalidActorName, InvalidOption.
    """
    return _declare("worker", function, options)


@overload
def decider(function: Callable[P, R], /) -> Actor[P, R]: ...
@overload
def decider(
    *,
    name: str | None = ...,
    version: str = ...,
    task_list: str = ...,
    retry: Retry = ...,
    poll_to_end: timedelta | None = ...,
    heartbeat: timedelta | None = ...,
    enqueue_to_end: timedelta | None = ...,
    on_enqueue_to_end: Literal["fail", "alert"] = ...,
    on_lease_lost: Literal["retry", "fail"] = ...,
    priority: int = ...,
    remote: bool = ...,
) -> Callable[[Callable[P, R]], Actor[P, R]]: ...
def decider(function: Callable[..., Any] | None = None, /, **options: Any) -> Any:
    """Declare a decider: an actor that calls other actors, and returns a value or a promise. Options as `worker`."""
    return _declare("decider", function, options)


@overload
def external(function: Callable[P, R], /) -> Actor[P, R]: ...
@overload
def external(
    *,
    name: str | None = ...,
    version: str = ...,
    task_list: str = ...,
    enqueue_to_end: timedelta | None = ...,
    on_enqueue_to_end: Literal["fail", "alert"] = ...,
    accepts_failures: bool = ...,
) -> Callable[[Callable[P, R]], Actor[P, R]]: ...
def external(function: Callable[..., Any] | None = None, /, **options: Any) -> Any:
    """Declare an external actor: nobody polls it, its tasks are completed from outside. Options as `worker`."""
    return _declare("external", function, options)


def _promises(after: Any) -> tuple[Promise, ...]:
    """What a call is to wait for. Outside of a decider calls are made at once, and `after` holds plain values."""
    if current_recorder() is None and not isinstance(after, Promise):
        return ()
    promises = (after,) if isinstance(after, Promise) else after
    if not isinstance(promises, list | tuple) or not all(isinstance(each, Promise) for each in promises):
        raise InvalidOption("after takes a promise, or a list of promises")
    return tuple(promises)


def _declare(kind: Kind, function: Callable[..., Any] | None, options: Mapping[str, Any]) -> Any:
    if function is None:
        return lambda declared: _declare(kind, declared, options)
    _check_function(function)
    rest = dict(options)
    name, version, task_list = (rest.pop(each, None) for each in ("name", "version", "task_list"))
    flags = {flag: rest.pop(flag) for flag in FLAGS[kind] if flag in rest}
    if any(type(each) is not bool for each in flags.values()) or flags == {"transactional": True, "remote": True}:
        raise InvalidOption("transactional and remote must be True or False, and not both True")
    try:
        defaults = Defaults(**rest)
    except TypeError:
        raise InvalidOption(f"no such option of an actor: {', '.join(sorted(rest))}") from None
    if not isinstance(defaults.retry, Retry):
        raise InvalidOption("retry must be a Retry")
    actor_name = ActorName(
        _default_name(function) if name is None else name,
        DEFAULT_VERSION if version is None else version,
        "" if task_list is None else task_list,
    )
    actor: Actor[..., Any] = Actor(function, actor_name, kind, defaults, **flags)
    ACTORS.register(actor)
    return actor


def _default_name(function: Callable[..., Any]) -> str:
    package = function.__module__.removesuffix(".actors").rpartition(".")[2]
    return f"{package}.{function.__qualname__.rpartition('.')[2]}"


def _check_function(function: object) -> None:
    if not inspect.isfunction(function):
        raise InvalidActor("only a plain function can become an actor")
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        raise InvalidActor("an async function cannot become an actor: actors run in worker processes, one at a time")
    if inspect.isgeneratorfunction(function):
        raise InvalidActor("a generator cannot become an actor: it has no one value to return")


@lru_cache(maxsize=10_000)
def _call_options(defaults: Defaults, poll_to_end_seconds: float, heartbeat_seconds: float) -> CallOptions:
    return CallOptions(
        poll_to_end=_given(defaults.poll_to_end, poll_to_end_seconds),
        heartbeat=_given(defaults.heartbeat, heartbeat_seconds),
        max_attempts=defaults.retry.max_attempts,
        priority=defaults.priority,
        enqueue_to_end=defaults.enqueue_to_end,
        on_enqueue_to_end=defaults.on_enqueue_to_end,
        on_lease_lost=defaults.on_lease_lost,
        accepts_failures=defaults.accepts_failures,
    )


def _given(duration: timedelta | None, default_seconds: float) -> timedelta:
    return timedelta(seconds=default_seconds) if duration is None else duration
