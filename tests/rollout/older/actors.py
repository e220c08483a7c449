"""The code as it was: it does not know the second parameter."""

from tasks.actors import worker


@worker(name="rollout.greet")
def greet(name: str) -> str:
    return f"Hello {name}"
