"""The engine on a real database does what the model says, step by step."""

from __future__ import annotations

import os

import pytest

from tests.proof.stateful.running import run

pytestmark = pytest.mark.usefixtures("rows")
EXAMPLES = int(os.environ.get("PROOF_EXAMPLES", "40"))
SEED = int(os.environ.get("PROOF_SEED", "1"))


def test_after_each_step_the_database_holds_what_the_model_says() -> None:
    run(SEED, EXAMPLES)
