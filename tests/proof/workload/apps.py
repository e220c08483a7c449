"""The app of the workload."""

from django.apps import AppConfig

from tests.proof import history


class WorkloadConfig(AppConfig):
    """Actors that run flows; where a history is kept, the engine round them is recorded, and stops at moments."""

    name = "tests.proof.workload"
    label = "workload"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Begin to record."""
        if history.is_kept():
            from tests.proof.workload import moments, recording  # noqa: PLC0415  # they need the apps to be ready

            recording.install()
            moments.install()
