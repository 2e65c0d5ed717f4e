"""Numbers of the stream, cursors and alerts; what was written before is numbered in its order and counts as read."""

import uuid

from django.db import migrations, models


def number_old_events(apps, schema_editor):
    Event, Cursor = apps.get_model("events", "Event"), apps.get_model("events", "Cursor")
    Event.objects.update(number=models.F("id"))
    last = Event.objects.aggregate(last=models.Max("id"))["last"] or 0
    for name in ("stream", "notify"):
        Cursor.objects.update_or_create(name=name, defaults={"number": last})


class Migration(migrations.Migration):

    dependencies = [
        ('events', '0001_initial'),
    ]

    operations = [
        migrations.CreateModel(
            name='Alert',
            fields=[
                ('uuid', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('key', models.CharField(max_length=128, verbose_name='cause')),
                ('cluster_uuid', models.UUIDField(null=True, verbose_name='cluster')),
                ('severity', models.CharField(choices=[('info', 'info'), ('warning', 'warning'), ('error', 'error')], default='warning', max_length=8, verbose_name='severity')),
                ('message', models.CharField(max_length=1024, verbose_name='message in English')),
                ('message_cn', models.CharField(max_length=1024, verbose_name='message in Chinese')),
                ('count', models.PositiveIntegerField(default=1, verbose_name='times')),
                ('open_time', models.DateTimeField(verbose_name='open time')),
                ('last_time', models.DateTimeField(verbose_name='last time')),
                ('close_time', models.DateTimeField(null=True, verbose_name='close time')),
                ('acknowledge_time', models.DateTimeField(null=True, verbose_name='acknowledge time')),
                ('acknowledge_by', models.CharField(blank=True, max_length=64, verbose_name='acknowledged by')),
            ],
            options={
                'verbose_name': 'alert',
                'verbose_name_plural': 'alerts',
                'ordering': ['-open_time'],
            },
        ),
        migrations.CreateModel(
            name='Cursor',
            fields=[
                ('name', models.CharField(max_length=32, primary_key=True, serialize=False, verbose_name='name')),
                ('number', models.PositiveBigIntegerField(default=0, verbose_name='number')),
            ],
            options={
                'verbose_name': 'place in the stream',
                'verbose_name_plural': 'places in the stream',
            },
        ),
        migrations.RemoveIndex(
            model_name='event',
            name='event_subject_order',
        ),
        migrations.AddField(
            model_name='event',
            name='number',
            field=models.PositiveBigIntegerField(editable=False, null=True, unique=True, verbose_name='number'),
        ),
        migrations.AddIndex(
            model_name='event',
            index=models.Index(fields=['subject', 'number'], name='event_subject_order'),
        ),
        migrations.AddIndex(
            model_name='event',
            index=models.Index(fields=['time'], name='event_age'),
        ),
        migrations.AddConstraint(
            model_name='alert',
            constraint=models.UniqueConstraint(condition=models.Q(('close_time', None)), fields=('key',), name='alert_open_once'),
        ),
        migrations.AddConstraint(
            model_name='alert',
            constraint=models.CheckConstraint(condition=models.Q(('severity__in', ['info', 'warning', 'error'])), name='alert_severity_known'),
        ),
        migrations.RunPython(number_old_events, migrations.RunPython.noop),
    ]
