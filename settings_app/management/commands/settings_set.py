"""`manage.py settings_set`: change settings of a cluster through the same service as every other door."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from cluster.selectors import find
from settings_app.paths import assigned
from settings_app.sections import SECTIONS
from settings_app.selectors import render_settings
from settings_app.serializers import SettingUpdateInput
from settings_app.services import update_settings
from sysmgr.api.fields import validated
from sysmgr.commands import SysmgrCommand, actor, as_uuid, read_secret


class Command(SysmgrCommand):
    """See `help`."""

    help = (
        "Change settings of a cluster: all of the given ones or none, as one revision.\n"
        "Text is taken as it stands, everything else is JSON; @FILE and @- take the value from a file or standard\n"
        "input, which is the only way to give a secret. The same again changes nothing.\n\n"
        "Example: manage.py settings_set login_policy.token_expire_second=3600 mail_setting.smtp_password=@-"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("change", nargs="+", metavar="path=value", help="what `settings_show` shows, and its value")
        parser.add_argument("--if-revision", type=int, metavar="N", help="only if the settings are at this revision")
        parser.add_argument(
            "--confirm-within",
            type=int,
            metavar="SECONDS",
            help="take it back then unless settings_confirm comes before",
        )
        parser.add_argument("--reason", default="", help="kept with the revision")
        parser.add_argument("--cluster", type=as_uuid, help="cluster's UUID (default: the default cluster)")
        parser.add_argument("--json", action="store_true", help="print the revision as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Change."""
        cluster = find(options["cluster"])
        wanted = assigned(render_settings(cluster.pk), options["change"], read_secret)
        seconds = options["confirm_within"]
        probation = {} if seconds is None else {"confirm_within_seconds": seconds}
        body = validated(SettingUpdateInput, {**wanted, **probation, "reason": options["reason"]})
        changes = {name: body[name] for name in SECTIONS if name in body}
        revision = update_settings(
            cluster, changes, actor(), if_revision=options["if_revision"], reason=options["reason"], **probation
        )
        diff = revision.diff if revision else []
        if options["json"]:
            self.say({"revision": revision.number if revision else None, "changes": diff}, as_json=True)
        elif revision is None:
            self.stdout.write("nothing differs; nothing was changed")
        else:
            self.stdout.write(f"revision {revision.number}: " + ", ".join(entry["path"] for entry in diff))
