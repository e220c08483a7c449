"""Rows of access: the tokens, and what each of them allows."""

from __future__ import annotations

from datetime import datetime

from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.core.validators import ProhibitNullCharactersValidator, RegexValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Cast
from django.db.models.lookups import Regex
from django.utils import timezone

from tasks.policies import ALONE, ActorName

EVERY_ACTOR = "*"
CLIENT = "^[A-Za-z0-9_.-]{1,100}"
NAME = "[A-Za-z_][A-Za-z0-9_.]*"
NAMES = rf"^\{{({NAME}(,{NAME})*)?\}}$"
"""An array of names as PostgreSQL writes it: elements with other letters would stand in quotes."""


class Scope(models.TextChoices):
    """What a token may be good for."""

    READ = "read", "read: see processes and tasks"
    START = "start", "start: start processes"
    ACT = "act", "act: take tasks of actors and deliver their outcomes"
    OPERATE = "operate", "operate: pause, abort, restart, complete, block"


class Token(models.Model):
    """What a client of the API shows to say who it is; what it allows is fixed when it is made.

    A client may have several at a time, so that it can change from one to the next. Its text is stored nowhere:
    `text` is set on the one instance that was just made (see `making`). `start_actors` limits `start` to process
    actors of these names, of whatever version and task list; empty is any. `act_actors` limits `act` in the same way;
    there any must be said, as `*`. Without `requests_per_second` the setting holds; 0 is no limit. Once made, only
    `revoked_at` and `last_used_at` are ever written.
    """

    text = ""

    identifier = models.TextField(primary_key=True, editable=False)
    client = models.TextField(
        validators=[RegexValidator(rf"{CLIENT}\Z", "Letters, digits, dots, dashes and underscores, up to 100.")],
        help_text="Who will use it. A client may have several tokens.",
    )
    secret_sha256 = models.TextField(editable=False)
    scopes = ArrayField(models.TextField(choices=Scope), default=list)
    start_actors = ArrayField(
        models.TextField(),
        default=list,
        blank=True,
        help_text="Only processes of these actors: names without #version, with commas. Empty: any.",
    )
    act_actors = ArrayField(
        models.TextField(),
        default=list,
        blank=True,
        help_text="Only tasks of these actors: names without #version, with commas; * for every actor.",
    )
    requests_per_second = models.PositiveIntegerField(
        null=True, blank=True, help_text="For each server process. Empty: as the setting says; 0: no limit."
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    created_by = models.TextField(editable=False, validators=[ProhibitNullCharactersValidator()])
    expires_at = models.DateTimeField(null=True, blank=True, help_text="Empty: never.")
    revoked_at = models.DateTimeField(null=True, editable=False)
    last_used_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        default_permissions = ("add", "view")
        permissions = [("revoke_token", "Can revoke tokens")]
        constraints = [
            models.CheckConstraint(condition=Q(identifier__regex="^[0-9a-z]{12}$"), name="token_identifier_is_one"),
            models.CheckConstraint(condition=Q(secret_sha256__regex="^[0-9a-f]{64}$"), name="token_secret_is_hashed"),
            models.CheckConstraint(condition=Q(client__regex=rf"{CLIENT}$"), name="token_client_is_a_name"),
            models.CheckConstraint(
                condition=Q(scopes__contained_by=Scope.values, scopes__len__gte=1),
                name="token_scopes_are_known",
            ),
            models.CheckConstraint(
                condition=Q(start_actors=[]) | Q(scopes__contains=[Scope.START.value]),
                name="token_start_actors_only_with_start",
                violation_error_message="Actors that may be started are named only with the scope start.",
            ),
            models.CheckConstraint(
                condition=Q(act_actors__len__gte=1, scopes__contains=[Scope.ACT.value])
                | (Q(act_actors=[]) & ~Q(scopes__contains=[Scope.ACT.value])),
                name="token_act_actors_exactly_with_act",
                violation_error_message="The scope act, and only that, names actors to act as; * is all.",
            ),
            models.CheckConstraint(
                condition=Q(Regex(Cast(F("start_actors"), models.TextField()), NAMES)),
                name="token_start_actors_are_names",
            ),
            models.CheckConstraint(
                condition=Q(act_actors=[EVERY_ACTOR]) | Q(Regex(Cast(F("act_actors"), models.TextField()), NAMES)),
                name="token_act_actors_are_names",
                violation_error_message="Name actors to act as, or * alone.",
            ),
            models.CheckConstraint(
                condition=Q(expires_at__isnull=True) | Q(expires_at__gt=F("created_at")),
                name="token_expires_after_it_was_made",
                violation_error_message="A token expires later than it is made.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.client} {self.identifier}"

    def clean(self) -> None:
        """Put words in order, each once. Raises ValidationError for what is no actor's name, and no time to come."""
        self.scopes = [scope for scope in Scope.values if scope in self.scopes]
        self.start_actors = sorted(set(self.start_actors))
        self.act_actors = sorted(set(self.act_actors))
        wrong = {}
        for field, names in (("start_actors", self.start_actors), ("act_actors", set(self.act_actors) - {EVERY_ACTOR})):
            if not all(map(ALONE.fullmatch, names)):
                wrong[field] = "An actor is named without version and task list."
        if self.expires_at is not None and (timezone.is_naive(self.expires_at) or self.has_expired(timezone.now())):
            wrong["expires_at"] = "A token expires in the future, at a time with a time zone."
        if wrong:
            raise ValidationError(wrong)

    def may_read(self) -> bool:
        """Whether it may see processes and tasks."""
        return Scope.READ in self.scopes

    def may_start(self, actor: str) -> bool:
        """Whether it may start processes of this actor: `name`, `name#version@list`. Raises InvalidActorName."""
        name = ActorName.parse(actor).name
        return Scope.START in self.scopes and (not self.start_actors or name in self.start_actors)

    def acts(self) -> bool:
        """Whether it may take and release tasks of some actor."""
        return Scope.ACT in self.scopes

    def may_act(self, actor: str) -> bool:
        """Whether it may take and release tasks of this actor: `name#version@list`. Raises InvalidActorName."""
        name = ActorName.parse(actor).name
        return self.acts() and (name in self.act_actors or EVERY_ACTOR in self.act_actors)

    def may_operate(self) -> bool:
        """Whether it may steer processes, tasks and actors."""
        return Scope.OPERATE in self.scopes

    def has_expired(self, now: datetime) -> bool:
        """Whether its time is over."""
        return self.expires_at is not None and self.expires_at <= now

    def state_at(self, now: datetime) -> str:
        """How it stands: `live`, `expired` or `revoked`."""
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.has_expired(now) else "live"

    def allows(self) -> str:
        """What it allows, for people: `read; start orders.ship; act *`."""
        limits = {Scope.START: self.start_actors, Scope.ACT: self.act_actors}
        return "; ".join(" ".join([scope, ", ".join(limits.get(Scope(scope), []))]).strip() for scope in self.scopes)
