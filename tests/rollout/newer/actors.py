"""The code as it is to be."""

from tasks.actors import worker


@worker(name="rollout.greet")
def greet(name: str, greeting: str) -> str:
    return f"{greeting} {name}"
