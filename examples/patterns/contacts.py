"""A loop: a directory is imported page by page, each turn calling the next one as its own value."""

from __future__ import annotations

from typing import TypedDict

from examples.patterns.models import Contact
from tasks.actors import decider, worker

PAGE_SIZE = 40
DIRECTORY_SIZE = 100


class Page(TypedDict):
    """A part of the directory; `next` is None after the last one."""

    emails: list[str]
    next: int | None


@decider
def import_contacts(company: str, start: int = 0, stored: int = 0) -> int:
    """One turn: fetch a page, store it, then see."""
    page = fetch_page(company, start)
    return go_on(company, page, store(page), stored)


@decider
def go_on(company: str, page: Page, added: int, stored: int) -> int:
    """The next turn is this one's value; the last turn returns how many contacts are stored."""
    if page["next"] is None:
        return stored + added
    return import_contacts(company, page["next"], stored + added)


@worker
def fetch_page(company: str, start: int) -> Page:
    """A page of the directory, which is somebody else's."""
    end = min(start + PAGE_SIZE, DIRECTORY_SIZE)
    emails = [f"person-{number}@{company}.example" for number in range(start, end)]
    return {"emails": emails, "next": end if end < DIRECTORY_SIZE else None}


@worker(transactional=True)
def store(page: Page) -> int:
    """Store a page exactly once; return how many contacts it had."""
    Contact.objects.bulk_create(Contact(email=email) for email in page["emails"])
    return len(page["emails"])
