"""Calls to the engine from outside, each written down before it is made, and again with its answer."""

from __future__ import annotations

import os
import secrets
import stat
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from django.db import Error, connection

from processes.errors import Refused
from tasks.errors import OutcomeUnknown
from tests.proof import history

Answer = dict[str, Any]
UNKNOWN: Answer = {"unknown": True}


def call(act: str, arguments: Mapping[str, Any], do: Callable[[], Answer]) -> Answer:
    """Make one call and return how it was answered; a refusal, and what the database raises, are answers, too."""
    call_id = secrets.token_hex(8)
    history.write("call", id=call_id, act=act, arguments=arguments)
    answer = _answer(do)
    history.write("answer", id=call_id, answer=answer)
    return answer


def is_answered(answer: Answer) -> bool:
    """Whether an answer tells what became of the call; if not, the call may be repeated."""
    return "error" not in answer and "unknown" not in answer


class Stop:
    """Tells when it is time to stop: the folder of the run has a file `stop`, or nobody holds a pipe to our input."""

    def __init__(self) -> None:
        self._file = Path(os.environ[history.FOLDER], "stop")
        self._ended = threading.Event()
        if stat.S_ISFIFO(os.fstat(sys.stdin.fileno()).st_mode):
            threading.Thread(target=self._wait_for_end_of_input, daemon=True).start()

    def is_wanted(self) -> bool:
        """Whether it is time."""
        return self._ended.is_set() or self._file.exists()

    def _wait_for_end_of_input(self) -> None:
        sys.stdin.read()
        self._ended.set()


def _answer(do: Callable[[], Answer]) -> Answer:
    try:
        return do()
    except Refused as refusal:
        return {"refused": refusal.code}
    except OutcomeUnknown:
        connection.close()
        return UNKNOWN
    except Error as error:
        connection.close()
        return {"error": type(error).__name__}
