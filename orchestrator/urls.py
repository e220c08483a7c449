"""The URLs of the project."""

from django.contrib import admin
from django.urls import path

from orchestrator.api.assembling import api

admin.site.site_header = admin.site.site_title = "Orchestrator"
admin.site.site_url = None

urlpatterns = [path("admin/", admin.site.urls), path("api/v1/", api.urls)]
