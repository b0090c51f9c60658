"""What a process says of itself: resource attributes."""

import os
import socket
from collections.abc import Mapping

from opentelemetry.sdk.version import __version__ as sdk_version


def describe_process(service_name: str, given: Mapping[str, str]) -> dict[str, str]:
    """
    Return the attributes of this very process.

    What *given* says stands, but for the service's name and for what tells processes apart.
    """
    host = given.get("host.name") or socket.gethostname()
    return {
        "host.name": host,
        "telemetry.sdk.name": "opentelemetry",
        "telemetry.sdk.language": "python",
        "telemetry.sdk.version": sdk_version,
        **given,
        "service.name": service_name,
        "service.instance.id": f"{host}:{os.getpid()}",
        "process.pid": str(os.getpid()),
    }
