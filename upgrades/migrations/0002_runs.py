from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("upgrades", "0001_initial")]

    operations = [
        migrations.AddField(
            model_name="upgraderun",
            name="forgiven",
            field=models.PositiveIntegerField(default=0, verbose_name="failures passed over"),
        ),
    ]
