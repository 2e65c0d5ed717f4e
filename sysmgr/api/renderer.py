"""The one renderer: JSON in UTF-8. It must not import rest_framework.views (an import cycle)."""

from rest_framework.renderers import JSONRenderer


class EnvelopeRenderer(JSONRenderer):
    """Renders what the views wrapped; named so that settings and schema have one place to point at."""

    charset = None
