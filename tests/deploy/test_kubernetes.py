"""The Kubernetes manifests, held against the schemas of the versions they are for."""

from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from kubernetes_validate.utils import all_versions

MANIFESTS = Path(__file__).parents[2] / "deploy" / "kubernetes"
DOCUMENTS = [
    (f"{file.name}:{document['kind']}", document)
    for file in sorted(MANIFESTS.glob("*.yaml"))
    for document in yaml.safe_load_all(file.read_text())
]
# The oldest and the newest whose schemas are at hand.
VERSIONS = (all_versions()[0], all_versions()[-1])
OPERATOR = "monitoring.coreos.com/v1"


def of_kind(kind: str) -> list[Any]:
    """Return the documents of *kind*."""
    return [document for _, document in DOCUMENTS if document["kind"] == kind]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    "document",
    [
        pytest.param(document, id=name)
        for name, document in DOCUMENTS
        if document["apiVersion"] != OPERATOR
    ],
)
def test_kubernetes_takes_the_manifest(document: Any, version: str) -> None:
    """No key is unknown, none is missing, each is of its type."""
    kubernetes_validate.validate(document, version, strict=True)


def test_the_autoscaler_is_the_guide_s() -> None:
    """It scales genrf-api between 2 and 20 on CPU, memory and pending generations."""
    [autoscaler] = of_kind("HorizontalPodAutoscaler")
    spec = autoscaler["spec"]
    assert autoscaler["metadata"]["name"] == "genrf-hpa"
    assert spec["scaleTargetRef"] == {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "name": "genrf-api",
    }
    assert (spec["minReplicas"], spec["maxReplicas"]) == (2, 20)
    resources = {
        metric["resource"]["name"]: metric["resource"]["target"]["averageUtilization"]
        for metric in spec["metrics"]
        if metric["type"] == "Resource"
    }
    assert resources == {"cpu": 70, "memory": 80}
    [pods] = [metric["pods"] for metric in spec["metrics"] if metric["type"] == "Pods"]
    assert pods["metric"]["name"] == "pending_generations"
    assert pods["target"] == {"type": "AverageValue", "averageValue": "5"}


def test_the_autoscaler_s_deployment_exists() -> None:
    """What is scaled is deployed by these manifests."""
    [autoscaler] = of_kind("HorizontalPodAutoscaler")
    names = [document["metadata"]["name"] for document in of_kind("Deployment")]
    assert autoscaler["spec"]["scaleTargetRef"]["name"] in names


def test_service_monitors_select_services_that_exist() -> None:
    """Each endpoint names a port of a Service that its selector finds."""
    monitors = of_kind("ServiceMonitor")
    assert monitors
    for monitor in monitors:
        assert monitor["apiVersion"] == OPERATOR
        wanted = monitor["spec"]["selector"]["matchLabels"].items()
        [service] = [
            document
            for document in of_kind("Service")
            if wanted <= document["metadata"]["labels"].items()
        ]
        ports = {port["name"] for port in service["spec"]["ports"]}
        for endpoint in monitor["spec"]["endpoints"]:
            assert endpoint["port"] in ports
            assert endpoint["path"] == "/metrics"


def test_services_select_their_pods() -> None:
    """Each Service finds the pods of one workload, by labels that the pods have."""
    workloads = [*of_kind("Deployment"), *of_kind("StatefulSet"), *of_kind("DaemonSet")]
    for service in of_kind("Service"):
        wanted = service["spec"]["selector"].items()
        found = [
            workload
            for workload in workloads
            if wanted <= workload["spec"]["template"]["metadata"]["labels"].items()
        ]
        assert len(found) == 1
