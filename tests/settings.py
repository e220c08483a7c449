"""The settings of the project, with the actors of the tests, apart from other runs on the same broker."""

import os
import secrets

os.environ["ORCHESTRATOR_BROKER_PREFIX"] = f"test-{secrets.token_hex(4)}"
os.environ.setdefault("ORCHESTRATOR_APPS", "tests.flows,tests.proof.workload,examples.orders,examples.patterns")
os.environ.setdefault("SECRET_KEY", secrets.token_urlsafe(48))

from orchestrator.settings import *  # noqa: F403  # the environment must be complete first

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
