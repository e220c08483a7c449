"""The parts of a document that programs write: each stands between two markers that bear its name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def rewritten(text: str, name: str, body: str) -> str:
    """A document with a new body of one part. Raises ValueError where it has no such part."""
    begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    before, found, rest = text.partition(begin)
    _, ended, after = rest.partition(end)
    if not found or not ended:
        raise ValueError(f"the document has no lines {begin} and {end}")
    return f"{before}{begin}\n\n{body}\n\n{end}{after}"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
