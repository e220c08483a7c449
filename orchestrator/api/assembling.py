"""The API as a whole: `/api/v1`, its OpenAPI document, and the page on which people try it."""

from __future__ import annotations

from ninja.openapi.docs import Swagger

from orchestrator.api.answering import Api, Orjson, answer_errors
from orchestrator.api.bodies import StrictJson, known_parameters_only
from orchestrator.api.credentials import CREDENTIALS, known_only
from processes.api import router as processes
from recovery.api import router as explaining
from tasks.api.heartbeating import router as heartbeating
from tasks.api.polling import router as polling
from tasks.api.releasing import router as releasing
from tasks.api.starting import router as starting
from tasks.api.steering import router as steering
from tasks.api.watching import router as watching

api = Api(
    title="Orchestrator",
    version="1",
    description="Start, watch and steer durable processes, and act in them, from any language.",
    auth=list(CREDENTIALS),
    parser=StrictJson(),
    renderer=Orjson(),
    urls_namespace="api",
    docs=Swagger(settings={"validatorUrl": None}),
    docs_decorator=known_only,
)
api.add_decorator(known_parameters_only)
answer_errors(api)
for router in (starting, processes, watching, explaining, steering, polling, heartbeating, releasing):
    api.add_router("", router)
