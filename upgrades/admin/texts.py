"""The words of the upgrade pages: templates hold none, so that all of them stand in the catalogue of this app."""

from __future__ import annotations

from typing import Any

from django.template.defaultfilters import filesizeformat
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

CHOOSE = {
    "cluster": _("Cluster"),
    "address": _("Address"),
    "show": _("Show hosts"),
    "all": _("All that are shown"),
    "none": _("No host is like this."),
}
PLAN = {
    "checks": _("Checked before anything is changed:"),
    "backup": _(
        "Each service is backed up before it is changed; a backup holds the release's files, never the service's data."
    ),
    "again": _("Change the choice"),
}
RUN = {"steps": _("All steps"), "events": _("Events"), "logs": _("Step logs"), "log": _("Log")}


def hosts_left_out(number: int) -> str:
    """Say that a list of hosts is cut."""
    text = gettext("%(number)d more hosts are not shown: narrow the list by address.")
    return text % {"number": number} if number else ""


def steps_left_out(number: int) -> str:
    """Say that a list of steps is cut."""
    return gettext("%(number)d more are not shown.") % {"number": number} if number else ""


def progress_in_words(progress: dict[str, Any]) -> list[str]:
    """Say how much of the payloads has travelled, and how long the rest takes."""
    words = []
    if progress["sent"] < progress["bytes"]:
        sent = gettext("%(sent)s of %(size)s are pushed.")
        words.append(sent % {"sent": filesizeformat(progress["sent"]), "size": filesizeformat(progress["bytes"])})
    if progress["seconds_left"]:
        left = (
            gettext("About %(minutes)d min are left.")
            if progress["seconds_left"] >= 90
            else gettext("About %(seconds)d s are left.")
        )
        words.append(left % {"seconds": progress["seconds_left"], "minutes": round(progress["seconds_left"] / 60)})
    return words


def plan_in_words(plan: dict[str, Any]) -> list[str]:
    """Say how much a plan does, how much travels, and how long it takes."""
    much = gettext("Host services: %(services)d, in batches: %(batches)d.")
    size = gettext("At most %(size)s travel to the hosts.")
    seconds = gettext("It takes about %(seconds)d s, judged by earlier upgrades.")
    unknown = gettext("How long it takes is not known: no upgrade has succeeded here yet.")
    return [
        much % {"services": len(plan["order"]), "batches": len(plan["batches"])},
        size % {"size": filesizeformat(plan["bytes"])},
        seconds % {"seconds": plan["seconds"]} if plan["seconds"] else unknown,
    ]
