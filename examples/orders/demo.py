"""The demo as a module: migrates, then does what `manage.py fulfil_orders` does.

    python -m examples.orders.demo

needs the settings in the environment, among them ORCHESTRATOR_APPS=examples.orders; `make demo` brings them along.
"""

from __future__ import annotations

import os

import django
from django.core.management import call_command


def main() -> None:
    """Run the demo."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "orchestrator.settings")
    django.setup()
    call_command("migrate", verbosity=0)
    call_command("fulfil_orders")


if __name__ == "__main__":
    main()
