"""Who may what: a token is what a client of the API shows. Of its secret only a hash is stored."""

from django.contrib.postgres.fields import ArrayField
from django.core.validators import ProhibitNullCharactersValidator, RegexValidator
from django.db import migrations, models
from django.db.models.functions import Cast
from django.db.models.lookups import Regex
from django.utils import timezone

NAMES = r"^\{([A-Za-z_][A-Za-z0-9_.]*(,[A-Za-z_][A-Za-z0-9_.]*)*)?\}$"


class Migration(migrations.Migration):
    """The tokens."""

    initial = True
    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Token",
            fields=[
                ("identifier", models.TextField(editable=False, primary_key=True, serialize=False)),
                (
                    "client",
                    models.TextField(
                        help_text="Who will use it. A client may have several tokens.",
                        validators=[
                            RegexValidator(
                                "^[A-Za-z0-9_.-]{1,100}\\Z", "Letters, digits, dots, dashes and underscores, up to 100."
                            )
                        ],
                    ),
                ),
                ("secret_sha256", models.TextField(editable=False)),
                (
                    "scopes",
                    ArrayField(
                        base_field=models.TextField(
                            choices=[
                                ("read", "read: see processes and tasks"),
                                ("start", "start: start processes"),
                                ("act", "act: take tasks of actors and deliver their outcomes"),
                                ("operate", "operate: pause, abort, restart, complete, block"),
                            ]
                        ),
                        default=list,
                        size=None,
                    ),
                ),
                (
                    "start_actors",
                    ArrayField(
                        base_field=models.TextField(),
                        blank=True,
                        default=list,
                        help_text="Only processes of these actors: names without #version, with commas. Empty: any.",
                        size=None,
                    ),
                ),
                (
                    "act_actors",
                    ArrayField(
                        base_field=models.TextField(),
                        blank=True,
                        default=list,
                        help_text="Only tasks of these actors: names without #version, with commas; * for every actor.",
                        size=None,
                    ),
                ),
                (
                    "requests_per_second",
                    models.PositiveIntegerField(
                        blank=True,
                        help_text="For each server process. Empty: as the setting says; 0: no limit.",
                        null=True,
                    ),
                ),
                ("created_at", models.DateTimeField(default=timezone.now, editable=False)),
                ("created_by", models.TextField(editable=False, validators=[ProhibitNullCharactersValidator()])),
                ("expires_at", models.DateTimeField(blank=True, help_text="Empty: never.", null=True)),
                ("revoked_at", models.DateTimeField(editable=False, null=True)),
                ("last_used_at", models.DateTimeField(editable=False, null=True)),
            ],
            options={
                "permissions": [("revoke_token", "Can revoke tokens")],
                "default_permissions": ("add", "view"),
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("identifier__regex", "^[0-9a-z]{12}$")), name="token_identifier_is_one"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("secret_sha256__regex", "^[0-9a-f]{64}$")), name="token_secret_is_hashed"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("client__regex", "^[A-Za-z0-9_.-]{1,100}$")), name="token_client_is_a_name"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("scopes__contained_by", ["read", "start", "act", "operate"]), ("scopes__len__gte", 1)
                        ),
                        name="token_scopes_are_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("start_actors", []), ("scopes__contains", ["start"]), _connector="OR"),
                        name="token_start_actors_only_with_start",
                        violation_error_message="Actors that may be started are named only with the scope start.",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("act_actors__len__gte", 1), ("scopes__contains", ["act"])),
                            models.Q(("act_actors", []), models.Q(("scopes__contains", ["act"]), _negated=True)),
                            _connector="OR",
                        ),
                        name="token_act_actors_exactly_with_act",
                        violation_error_message="The scope act, and only that, names actors to act as; * is all.",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(Regex(Cast(models.F("start_actors"), models.TextField()), NAMES)),
                        name="token_start_actors_are_names",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("act_actors", ["*"]),
                            Regex(Cast(models.F("act_actors"), models.TextField()), NAMES),
                            _connector="OR",
                        ),
                        name="token_act_actors_are_names",
                        violation_error_message="Name actors to act as, or * alone.",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("expires_at__isnull", True), ("expires_at__gt", models.F("created_at")), _connector="OR"
                        ),
                        name="token_expires_after_it_was_made",
                        violation_error_message="A token expires later than it is made.",
                    ),
                ],
            },
        ),
    ]
