"""Registers the pages that stand here because they show, or steer, rows of several apps."""

from django.contrib import admin

from orchestrator.console.actor_page import ActorStatusAdmin
from orchestrator.console.process_page import ProcessAdmin
from orchestrator.console.task_page import TaskAdmin
from processes.models import Process
from tasks.models import ActorStatus, Task

admin.site.register(Process, ProcessAdmin)
admin.site.register(Task, TaskAdmin)
admin.site.register(ActorStatus, ActorStatusAdmin)
