"""
Go's text templates: what rules and notifications are written in.

`prometheus.RuleTemplates` expands the labels and annotations of rules, and
`alertmanager.NotificationTemplates` the texts and mails of receivers. Nothing in a template can
read a file, reach a network or touch a Python object, and each has bounds: 1 MiB of source, 2^20
characters of output, 100,000 steps, and 100 levels of nesting.
"""

from veriscope.templates.errors import TemplateError
from veriscope.templates.times import GoDuration, GoTime
from veriscope.templates.values import KeyValues, Listing, Record, Value

__all__ = ["GoDuration", "GoTime", "KeyValues", "Listing", "Record", "TemplateError", "Value"]
