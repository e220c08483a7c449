"""The actors that this process has the code of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tasks.errors import InvalidActor
from tasks.policies import ActorName

if TYPE_CHECKING:
    from tasks.declaring import Actor


class Registry:
    """Actors by name and version; task lists do not matter here."""

    def __init__(self) -> None:
        self._actors: dict[tuple[str, str], Actor[..., Any]] = {}

    def register(self, actor: Actor[..., Any]) -> None:
        """Add an actor. Raises InvalidActor where another function has its name and version."""
        key = (actor.actor_name.name, actor.actor_name.version)
        known = self._actors.setdefault(key, actor)
        if (known.function.__module__, known.function.__qualname__) != (
            actor.function.__module__,
            actor.function.__qualname__,
        ):
            raise InvalidActor(f"two actors are called {actor.actor_name}: give one another name or version")
        self._actors[key] = actor

    def find(self, name: ActorName) -> Actor[..., Any] | None:
        """The actor of this name and version, or None."""
        return self._actors.get((name.name, name.version))

    def get(self, name: ActorName) -> Actor[..., Any]:
        """The actor of this name and version. Raises KeyError where there is none."""
        return self._actors[(name.name, name.version)]

    def all(self) -> list[Actor[..., Any]]:
        """All actors, sorted by name and version."""
        return [actor for _, actor in sorted(self._actors.items())]

    def names(self) -> list[str]:
        """The full names of all actors, sorted."""
        return sorted(str(actor.actor_name) for actor in self._actors.values())


ACTORS = Registry()
