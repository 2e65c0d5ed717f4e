"""Fill kind and origins of the revisions that were written before there were any, from their differences."""

from django.db import migrations


def fill(apps, schema_editor):
    SettingRevision = apps.get_model("settings_app", "SettingRevision")
    rows = SettingRevision.objects.using(schema_editor.connection.alias)
    rows.filter(number=1).update(kind="created")
    for cluster in list(rows.order_by().values_list("cluster_id", flat=True).distinct()):
        origins = {}
        # The differences only: snapshots are large.
        for pk, number, diff in list(rows.filter(cluster=cluster).order_by("number").values_list("pk", "number", "diff")):
            origins |= {entry["path"].partition("[")[0]: number for entry in diff}
            rows.filter(pk=pk).update(origins=origins)


class Migration(migrations.Migration):

    dependencies = [("settings_app", "0003_pending_origins")]

    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
