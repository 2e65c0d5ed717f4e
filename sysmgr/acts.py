"""What the admin's pages do: a page that asks, then the service that the API calls too, then what came of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _

from sysmgr.admin import ModelT, ReadOnlyAdmin, in_chinese
from sysmgr.api.permissions import allowed
from sysmgr.errors import InvalidInput, SysmgrError
from sysmgr.theme import TextInput


def may(request: HttpRequest, call: str) -> bool:
    """Tell whether the user may do what the API's `call` does: one rule for both doors."""
    user: Any = request.user
    return bool(user.is_active and allowed(user.role, "POST", f"/v1/system/{call}"))


def require(request: HttpRequest, call: str) -> None:
    """Refuse (403) whoever may not make the API's `call`."""
    if not may(request, call):
        raise PermissionDenied


def tell(form: forms.BaseForm, error: SysmgrError) -> None:
    """Put what is wrong beside the inputs at fault, or above the form, in the page's language."""
    if not isinstance(error, InvalidInput):
        form.add_error(None, error.text_cn if in_chinese() else error.text)
        return
    for problem in error.problems:
        text = capfirst(problem.message_cn if in_chinese() else problem.message)
        if problem.path in form.fields and not form.fields[problem.path].widget.is_hidden:
            form.add_error(problem.path, text)
        else:
            form.add_error(None, f"{problem.path}: {text}" if problem.path else text)


def own_page(request: HttpRequest, template: str, title: Any, **context: Any) -> HttpResponse:
    """Return a page about the user himself, within the site's frame; it belongs to no model's list."""
    request.current_app = admin.site.name
    return TemplateResponse(request, template, {**admin.site.each_context(request), "title": title, **context})


class NoInput(forms.Form):
    """Asks for nothing but the word to go on."""


class ReasonInput(forms.Form):
    """Asks why."""

    reason = forms.CharField(label=_("Reason"), required=False, max_length=255, widget=TextInput)


@dataclass(frozen=True)
class Act:
    """One thing that a row's page offers. `call` is the API call that does the same, and says who may.

    `do` gets request, row and input; without `done` it has said itself what came of it.
    """

    name: str
    call: str
    label: Any
    question: Any
    do: Callable[[HttpRequest, Any, Mapping[str, Any]], HttpResponse | None]
    done: Any = None
    form: type[forms.Form] = NoInput
    initial: Callable[[Any], dict[str, Any]] = lambda row: {}
    offered: Callable[[Any], bool] = lambda row: True
    danger: bool = False
    leaves: bool = False  # the row is gone afterwards
    template: str = "admin/act.html"


@dataclass(frozen=True)
class Page:
    """One page that a list offers: a form of its own kind, served by the named method."""

    name: str
    call: str
    label: Any
    view: str
    exempt: bool = False  # it checks the CSRF token itself, because it must prepare the reading of the body first


class ActingAdmin(ReadOnlyAdmin[ModelT]):
    """Shows rows, and offers what may be done with them; each act asks on GET and acts on POST."""

    change_list_template = "admin/acting_list.html"
    acts: ClassVar[tuple[Act, ...]] = ()
    pages: ClassVar[tuple[Page, ...]] = ()

    def get_urls(self) -> list[URLPattern]:
        """Add the acts' addresses before Django's own, which would take them for rows."""
        mine = [
            path(f"<path:object_id>/{act.name}/", self._guarded(partial(self._act, act)), name=self._name(act.name))
            for act in self.acts
        ]
        mine += [
            path(f"{page.name}/", self._guarded(getattr(self, page.view), page.exempt), name=self._name(page.name))
            for page in self.pages
        ]
        return mine + super().get_urls()

    def _guarded(self, view: Callable[..., HttpResponse], exempt: bool = False) -> Callable[..., HttpResponse]:
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            return view(request, *args, **kwargs)

        guarded.csrf_exempt = exempt  # type: ignore[attr-defined]
        return self.admin_site.admin_view(guarded)

    def _name(self, page: str) -> str:
        return f"{self.opts.app_label}_{self.opts.model_name}_{page}"

    def link(self, page: str, *args: Any) -> str:
        """Return the address of one of this model's pages."""
        return reverse(f"admin:{self._name(page)}", args=args)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Offer the list's pages."""
        offered = [
            {"link": self.link(page.name), "label": page.label} for page in self.pages if may(request, page.call)
        ]
        return super().changelist_view(request, {**(extra_context or {}), "acts": offered})

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Offer what may be done with the row."""
        context["acts"] = self.offers(request, context.get("original"))
        return super().render_change_form(request, context, *args, **kwargs)

    def offers(self, request: HttpRequest, row: Any) -> list[dict[str, Any]]:
        """Return the acts that the user may do with the row as it stands."""
        return [
            {"link": self.link(act.name, row.pk), "label": act.label, "danger": act.danger}
            for act in self.acts
            if row is not None and may(request, act.call) and act.offered(row)
        ]

    def _act(self, act: Act, request: HttpRequest, object_id: str) -> HttpResponse:
        require(request, act.call)
        row = self.get_object(request, unquote(object_id))
        if row is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)  # type: ignore[attr-defined, no-any-return]
        form = act.form(request.POST if request.method == "POST" else None, initial=act.initial(row))

        def do(given: Mapping[str, Any]) -> HttpResponse:
            answer = act.do(request, row, given)
            if act.done:
                self.message_user(request, act.done, messages.SUCCESS)
            back = self.link("changelist") if act.leaves else self.link("change", row.pk)
            return answer or HttpResponseRedirect(back)

        said = {"question": act.question, "label": act.label, "danger": act.danger, "original": row}
        said |= {"template": act.template, "back": self.link("change", row.pk)}
        return self.ask(request, form, do, f"{act.label}: {row}", **said)

    def ask(
        self,
        request: HttpRequest,
        form: forms.Form,
        do: Callable[[Mapping[str, Any]], HttpResponse],
        title: Any,
        template: str = "admin/act.html",
        **context: Any,
    ) -> HttpResponse:
        """Show a form; once it is sent and filled in rightly, return what doing it answers. `do` gets the input; an
        expected error that it raises is told in the form."""
        if form.is_bound and form.is_valid():
            try:
                return do(form.cleaned_data)
            except SysmgrError as error:
                tell(form, error)
        return self.page(request, template, title, form=form, **context)

    def page(self, request: HttpRequest, template: str, title: Any, **context: Any) -> HttpResponse:
        """Return a page of this model within the site's frame."""
        request.current_app = self.admin_site.name
        frame = {**self.admin_site.each_context(request), "opts": self.opts, "title": title, "cancel": _("Cancel")}
        return TemplateResponse(request, template, {**frame, **context})

    def has_view(self, request: HttpRequest) -> None:
        """Refuse (403) whoever may not see this model."""
        if not self.has_view_permission(request):
            raise PermissionDenied
