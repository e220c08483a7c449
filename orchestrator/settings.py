"""All settings. Each is an environment variable, read here once; `docs/operations.md` explains them."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured
from kombu import Queue

from orchestrator.environment import Environment

BASE_DIR = Path(__file__).resolve().parent.parent
env = Environment()

# --- Django --------------------------------------------------------------------------------------------------------

SECRET_KEY = env.text("SECRET_KEY")
DEBUG = env.boolean("DEBUG", False)
ALLOWED_HOSTS = env.words("ALLOWED_HOSTS", r"[\w.:*\[\]-]+")

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_celery_beat",
    "ninja",
    "processes",
    "tasks",
    "recovery",
    "orchestrator.console",
    "orchestrator.access",
    *env.apps("ORCHESTRATOR_APPS"),
]
MIDDLEWARE = [
    "orchestrator.api.middleware.ProblemDocuments",
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "orchestrator.urls"
ASGI_APPLICATION = "orchestrator.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]
STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / ".local" / "static"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_TZ = True
FORMAT_MODULE_PATH = ["orchestrator.formats"]


def database(url: str) -> dict[str, Any]:
    """The settings of a PostgreSQL database from its URL; `?host=/folder` names a socket."""
    parts = urlsplit(url)
    options = dict(parse_qsl(parts.query))
    name = unquote(parts.path.removeprefix("/"))
    if not name:
        raise ImproperlyConfigured("DATABASE_URL must name a database: postgresql://user@host/name")
    return {
        "ENGINE": "orchestrator.postgresql",
        "NAME": name,
        "USER": unquote(parts.username or options.pop("user", "")),
        "PASSWORD": unquote(parts.password or options.pop("password", "")),
        "HOST": options.pop("host", "") or parts.hostname or "",
        "PORT": str(parts.port or options.pop("port", "")),
        "CONN_MAX_AGE": 600,
        "CONN_HEALTH_CHECKS": True,
        "DISABLE_SERVER_SIDE_CURSORS": True,
        "OPTIONS": {
            "connect_timeout": 5,
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "tcp_user_timeout": 20_000,
            **options,
        },
    }


DATABASES = {"default": database(env.url("DATABASE_URL", ("postgresql", "postgres")))}

# --- Celery --------------------------------------------------------------------------------------------------------

# Valkey speaks Redis's protocol: its URLs begin with redis, too.
CELERY_BROKER_URL = env.url("CELERY_BROKER_URL", ("redis", "rediss", "redis+socket", "amqp", "amqps", "pyamqp"))
BROKER_IS_AMQP = CELERY_BROKER_URL.partition("://")[0] in ("amqp", "amqps", "pyamqp")
# Several installations may share a broker: what belongs to this one begins with the prefix. On Redis that is every
# key, on RabbitMQ the name of every queue.
ORCHESTRATOR_BROKER_PREFIX = env.name("ORCHESTRATOR_BROKER_PREFIX", "orchestrator")
ORCHESTRATOR_QUEUE_PREFIX = f"{ORCHESTRATOR_BROKER_PREFIX}." if BROKER_IS_AMQP else ""
ORCHESTRATOR_TASK_LISTS = env.words("ORCHESTRATOR_TASK_LISTS")

# A message only wakes: it is acknowledged early, carries no work, has no result, and its loss costs time.
CELERY_TASK_ACKS_LATE = False
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_CREATE_MISSING_QUEUES = False
CELERY_TASK_DEFAULT_QUEUE = f"{ORCHESTRATOR_QUEUE_PREFIX}actors"
CELERY_TASK_QUEUES = [
    Queue(ORCHESTRATOR_QUEUE_PREFIX + name, routing_key=ORCHESTRATOR_QUEUE_PREFIX + name)
    for name in ("registration", "recovery", "actors", *(f"actors.{each}" for each in ORCHESTRATOR_TASK_LISTS))
]
CELERY_TASK_ROUTES = {"recovery.*": {"queue": f"{ORCHESTRATOR_QUEUE_PREFIX}recovery"}}
CELERY_TASK_PUBLISH_RETRY = True
CELERY_TASK_PUBLISH_RETRY_POLICY = {"max_retries": 0, "interval_start": 0, "interval_step": 0, "interval_max": 0}
CELERY_BROKER_CONNECTION_TIMEOUT = 1
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_BROKER_HEARTBEAT = 10
CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, Any] = (
    {"confirm_publish": True, "read_timeout": 3, "write_timeout": 3}
    if BROKER_IS_AMQP
    else {
        "socket_timeout": 3,
        "socket_connect_timeout": 1,
        "socket_keepalive": True,
        "health_check_interval": 5,
        "global_keyprefix": f"{ORCHESTRATOR_BROKER_PREFIX}:",
    }
)
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_DISABLE_PREFETCH = not BROKER_IS_AMQP
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = False
CELERY_WORKER_MAX_TASKS_PER_CHILD = env.integer("ORCHESTRATOR_DRAINS_PER_CHILD", 10_000)
CELERY_WORKER_PROC_ALIVE_TIMEOUT = 30
CELERY_WORKER_SEND_TASK_EVENTS = False
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_CONTROL_QUEUE_TTL = 300
CELERY_CONTROL_QUEUE_EXPIRES = 300
CELERY_TIMEZONE = "UTC"
CELERY_ENABLE_UTC = True
CELERY_BEAT_SCHEDULER = "django_celery_beat.schedulers:DatabaseScheduler"
CELERY_BEAT_MAX_LOOP_INTERVAL = 5
# Celery opens a database connection per task otherwise; `orchestrator.celery` closes those that are broken or old.
CELERY_DB_REUSE_MAX = 1_000_000

# --- The engine ----------------------------------------------------------------------------------------------------

# How long one attempt may take, unless the actor or the call says otherwise; of a transactional worker; and how long
# a worker process may be silent before it is presumed dead. Seconds.
ORCHESTRATOR_POLL_TO_END_SECONDS = env.seconds("ORCHESTRATOR_POLL_TO_END_SECONDS", 300)
ORCHESTRATOR_TRANSACTIONAL_POLL_TO_END_SECONDS = env.seconds("ORCHESTRATOR_TRANSACTIONAL_POLL_TO_END_SECONDS", 30)
ORCHESTRATOR_HEARTBEAT_SECONDS = env.seconds("ORCHESTRATOR_HEARTBEAT_SECONDS", 30)
# How long user code may go on after its lease was lost, before its worker process ends itself. Seconds.
ORCHESTRATOR_LOST_LEASE_GRACE_SECONDS = env.seconds("ORCHESTRATOR_LOST_LEASE_GRACE_SECONDS", 5)
# The largest stored value, and all values that the arguments of one task refer to, together. Bytes.
ORCHESTRATOR_VALUE_LIMIT_BYTES = env.integer("ORCHESTRATOR_VALUE_LIMIT_BYTES", 2**20, most=2**28)
ORCHESTRATOR_ARGUMENTS_LIMIT_BYTES = env.integer("ORCHESTRATOR_ARGUMENTS_LIMIT_BYTES", 2**24, most=2**30)
# The most calls that one execution of a decider may make.
ORCHESTRATOR_MAX_CALLS_PER_DECISION = env.integer("ORCHESTRATOR_MAX_CALLS_PER_DECISION", 10_000)
# How long a start waits for another start with the same custom_id, and for the database to answer after the
# connection broke during COMMIT. Seconds.
ORCHESTRATOR_START_LOCK_SECONDS = env.seconds("ORCHESTRATOR_START_LOCK_SECONDS", 2)
ORCHESTRATOR_START_UNKNOWN_SECONDS = env.seconds("ORCHESTRATOR_START_UNKNOWN_SECONDS", 10)
# How long one drain lives (seconds), the most tasks it claims at once, the most processes registered at once, the most
# rows a scan takes at once.
ORCHESTRATOR_DRAIN_SECONDS = env.seconds("ORCHESTRATOR_DRAIN_SECONDS", 1)
ORCHESTRATOR_BATCH_LIMIT = env.integer("ORCHESTRATOR_BATCH_LIMIT", 100, most=1000)
ORCHESTRATOR_REGISTRATION_LIMIT = env.integer("ORCHESTRATOR_REGISTRATION_LIMIT", 200, most=10_000)
ORCHESTRATOR_SCAN_LIMIT = env.integer("ORCHESTRATOR_SCAN_LIMIT", 500, most=10_000)
# How old a registration, or an unpolled task, must be before a scan takes it for lost. Seconds.
ORCHESTRATOR_REGISTRATION_STUCK_SECONDS = env.seconds("ORCHESTRATOR_REGISTRATION_STUCK_SECONDS", 5)
ORCHESTRATOR_WAKEUP_LOST_SECONDS = env.seconds("ORCHESTRATOR_WAKEUP_LOST_SECONDS", 5)
# The most requests a second of one token to one server process, where the token says nothing itself; 0: no limit.
ORCHESTRATOR_TOKEN_REQUESTS_PER_SECOND = env.integer("ORCHESTRATOR_TOKEN_REQUESTS_PER_SECOND", 200, least=0)

# --- The web server ------------------------------------------------------------------------------------------------

# Threads of one server process, each with a database connection; one of them looks after those who wait.
ORCHESTRATOR_SERVER_THREADS = env.integer("ORCHESTRATOR_SERVER_THREADS", 4, least=2, most=100)
# The largest body of a request. Bytes.
ORCHESTRATOR_BODY_LIMIT_BYTES = env.integer("ORCHESTRATOR_BODY_LIMIT_BYTES", 2**22, most=2**28)
DATA_UPLOAD_MAX_MEMORY_SIZE = ORCHESTRATOR_BODY_LIMIT_BYTES
# The most requests that may wait at one server process at once: of one token, and in all.
ORCHESTRATOR_TOKEN_WAITING_LIMIT = env.integer("ORCHESTRATOR_TOKEN_WAITING_LIMIT", 1000)
ORCHESTRATOR_WAITING_LIMIT = env.integer("ORCHESTRATOR_WAITING_LIMIT", 2000)

# --- Logs ----------------------------------------------------------------------------------------------------------

ORCHESTRATOR_LOG_LEVEL = env.choice("ORCHESTRATOR_LOG_LEVEL", "INFO", ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"))
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"()": "orchestrator.logs.LineFormatter"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": ORCHESTRATOR_LOG_LEVEL},
}

env.refuse_unknown("ORCHESTRATOR_")
