"""The base of the eight sections' pages: one row a cluster, changed by administrators, through the service."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import messages
from django.db.models import Model, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from settings_app.models.base import Section
from settings_app.sections import columns
from settings_app.selectors import newest_revision
from sysmgr.admin import ReadOnlyAdmin, actor_of
from sysmgr.theme import ModelAdmin

from .banner import banners
from .change import CONTROLS
from .forms import SectionForm
from .origins import origins_of
from .pending import revisions_of
from .previewed import shown


def _previewed(form: Any) -> bool:
    return getattr(form, "previewed", None) is not None


class SectionAdmin(ReadOnlyAdmin[Section]):
    """A section's form for administrators, the same values to read for everybody else."""

    form = SectionForm
    change_form_template: ClassVar[str | None] = "admin/settings_app/section_form.html"
    change_list_template = "admin/settings_app/section_list.html"
    list_display = ["cluster"]
    list_select_related = ["cluster"]
    ordering = ["cluster__name"]
    # Inputs in the section's order where they are not its columns, and what readers see in their place.
    inputs: ClassVar[tuple[str, ...]] = ()
    shown: ClassVar[tuple[str, ...]] = ()

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Let the role decide: administrators."""
        return ModelAdmin.has_change_permission(self, request, obj)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Read the revision in the same SQL as the row: a form never shows an old row under a new number."""
        newest = newest_revision("pk").values("number")[:1]
        rows = super().get_queryset(request).select_related("cluster")
        return rows.annotate(revision_number=Coalesce(Subquery(newest), 0))

    def input_names(self, obj: Any) -> list[str]:
        """Return the names of the inputs of `obj`'s form."""
        return list(self.inputs or columns(self.model))

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> list[Any]:
        """Return inputs for those who may change, columns for those who may not."""
        if self.has_change_permission(request, obj):
            return self.input_names(obj)
        return list(self.shown or columns(self.model))

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> list[str]:
        """Let those who may change find inputs only."""
        return [] if self.has_change_permission(request, obj) else self.get_fields(request, obj)

    def get_fieldsets(self, request: HttpRequest, obj: Model | None = None) -> list[tuple[Any, Any]]:
        """Add the reason and the revision to the inputs."""
        fieldsets: list[tuple[Any, Any]] = [(None, {"fields": self.get_fields(request, obj)})]
        if self.has_change_permission(request, obj):
            fieldsets.append((_("This change"), {"fields": list(CONTROLS)}))
        return fieldsets

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        """Return a form that knows who acts."""
        form = super().get_form(request, obj, change=change, **kwargs)
        return type(form.__name__, (form,), {"actor": actor_of(request)})

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Lead to the form at once where there is one cluster."""
        rows = list(self.get_queryset(request).values_list("pk", flat=True)[:2])
        if len(rows) == 1 and self.has_view_or_change_permission(request):
            return HttpResponseRedirect(self._url("change", rows[0]))
        return super().changelist_view(request, {**(extra_context or {}), "pending": banners(request)})

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Show what waits for its confirmation, what a change would do, and where the settings come from."""
        row = context["original"]
        context["pending"] = banners(request, row.pk)
        context["origins"] = origins_of(row.pk)
        context |= {"origins_label": gettext("Where they come from"), "preview_label": gettext("Preview")}
        form = context["adminform"].form
        context["preview"] = shown(form.previewed, secrets=form.typed_secrets()) if _previewed(form) else None
        return super().render_change_form(request, context, *args, **kwargs)

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """Show the cluster's revisions: they are the history of every section."""
        return HttpResponseRedirect(revisions_of(object_id))

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Say what the service did; the form has called it."""
        if form.revision is None:
            self.message_user(request, gettext("Nothing differs from what is stored."), messages.INFO)
            return
        text = gettext("Saved as revision %(number)d.") % {"number": form.revision.number}
        self.message_user(request, text, messages.SUCCESS)
        seconds = form.cleaned_data["confirm_within_seconds"]
        if seconds:
            text = gettext("It is taken back by itself in %(seconds)d seconds unless it is confirmed.")
            self.message_user(request, text % {"seconds": seconds}, messages.WARNING)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Store nothing beside what the service stored."""

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        """Leave Django's log empty: the service wrote revision, event and audit."""

    def response_change(self, request: HttpRequest, obj: Any) -> HttpResponse:
        """Go on with this form, or back to the list."""
        again = "_continue" in request.POST
        return HttpResponseRedirect(self._url("change", obj.pk) if again else self._url("changelist"))

    def _url(self, page: str, *args: Any) -> str:
        return reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_{page}", args=args)
