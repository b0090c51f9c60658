"""What templates see of a notification: Alertmanager's data."""

from veriscope.alert.group import Alert, AlertGroup
from veriscope.signals import Labels
from veriscope.templates import GoTime, KeyValues, Listing, Record


def data_of(group: AlertGroup) -> Record:
    """Return what `.` is in the templates of *group*."""
    return Record(
        {
            "Receiver": group.receiver,
            "Status": group.status,
            "Alerts": _alerts(group.alerts),
            "GroupLabels": _pairs(group.group_labels),
            "CommonLabels": _pairs(group.common_labels),
            "CommonAnnotations": _pairs(group.common_annotations),
            "ExternalURL": group.external_url,
        },
        type_name="*template.Data",
    )


def _alerts(alerts: tuple[Alert, ...]) -> Listing:
    records = [(alert.status, _alert(alert)) for alert in alerts]

    def with_status(status: str) -> list[Record]:
        return [record for each, record in records if each == status]

    return Listing(
        [record for _, record in records],
        {"Firing": lambda: with_status("firing"), "Resolved": lambda: with_status("resolved")},
        "template.Alerts",
    )


def _alert(alert: Alert) -> Record:
    return Record(
        {
            "Status": alert.status,
            "Labels": _pairs(alert.labels),
            "Annotations": _pairs(alert.annotations),
            "StartsAt": GoTime.of_ms(alert.starts_at_ms),
            "EndsAt": GoTime.zero() if alert.ends_at_ms is None else GoTime.of_ms(alert.ends_at_ms),
            "GeneratorURL": alert.generator_url,
            "Fingerprint": alert.fingerprint,
        },
        type_name="template.Alert",
    )


def _pairs(labels: Labels) -> KeyValues:
    return KeyValues(dict(labels))
