import contextlib
import importlib
import math
import os
import subprocess
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from prometheus_client import REGISTRY, Counter, Gauge, Histogram
from prometheus_client.openmetrics.exposition import generate_latest
from structlog.testing import capture_logs

from veriscope import genrf
from veriscope.genrf import metrics

# The table of the guide: variable, kind, name, help, labels, buckets.
FAMILIES = [
    (
        "circuit_generation_total",
        Counter,
        "genrf_circuits_generated_total",
        "Total circuits generated",
        ("circuit_type", "technology", "status"),
        None,
    ),
    (
        "generation_duration",
        Histogram,
        "genrf_generation_duration_seconds",
        "Time spent generating circuits",
        ("circuit_type", "optimization_steps"),
        [1, 5, 10, 30, 60, 300, 900],
    ),
    (
        "spice_simulation_total",
        Counter,
        "genrf_spice_simulations_total",
        "Total SPICE simulations run",
        ("engine", "circuit_type", "status"),
        None,
    ),
    (
        "spice_convergence_issues",
        Counter,
        "genrf_spice_convergence_failures_total",
        "SPICE convergence failures",
        ("circuit_type", "failure_type"),
        None,
    ),
    (
        "gpu_memory_usage",
        Gauge,
        "genrf_gpu_memory_bytes",
        "GPU memory usage",
        ("gpu_id",),
        None,
    ),
    (
        "model_inference_duration",
        Histogram,
        "genrf_model_inference_seconds",
        "Neural network inference time",
        ("model_type", "batch_size"),
        list(Histogram.DEFAULT_BUCKETS[:-1]),
    ),
    (
        "circuit_performance",
        Histogram,
        "genrf_circuit_performance",
        "Generated circuit performance metrics",
        ("metric_type", "circuit_type", "technology"),
        [0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0],
    ),
    (
        "user_satisfaction",
        Histogram,
        "genrf_user_satisfaction_score",
        "User satisfaction ratings",
        ("feature",),
        [1, 2, 3, 4, 5],
    ),
    (
        "pending_generations",
        Gauge,
        "pending_generations",
        "Circuit generations accepted and not yet begun",
        (),
        None,
    ),
]


@pytest.fixture
def name() -> str:
    """Return a label value that no other test uses: the families are the process' own."""
    return f"t{uuid.uuid4().hex[:12]}"


@pytest.fixture
def value() -> Callable[..., float]:
    """Read a sample of the default registry, 0 where there is none."""

    def read(sample: str, **labels: str) -> float:
        return REGISTRY.get_sample_value(sample, labels) or 0.0

    return read


@pytest.mark.parametrize(
    ("variable", "kind", "family", "meaning", "labels", "buckets"),
    FAMILIES,
    ids=[row[0] for row in FAMILIES],
)
def test_families_are_those_of_the_guide(  # noqa: PLR0917 - the columns of the table
    variable: str,
    kind: type[Any],
    family: str,
    meaning: str,
    labels: tuple[str, ...],
    buckets: list[float] | None,
) -> None:
    """Each family has the guide's variable, type, name, help, labels and buckets."""
    found = getattr(metrics, variable)
    assert type(found) is kind
    (described,) = found.describe()
    suffix = "_total" if kind is Counter else ""
    assert described.name + suffix == family
    assert described.documentation == meaning
    assert found._labelnames == labels
    if buckets is not None:
        assert found._upper_bounds == [*buckets, math.inf]


def test_families_can_be_imported_twice() -> None:
    """Loading the module anew finds the families that are registered already."""
    before = metrics.circuit_generation_total
    importlib.reload(metrics)
    assert metrics.circuit_generation_total is before


def test_another_metric_of_the_name_is_not_hidden() -> None:
    """Where the registry holds something else under a name, importing says so."""
    with pytest.raises(ValueError, match="Duplicated"):
        metrics._declare(Gauge, "genrf_gpu_memory_bytes", "other", ["other"])


def test_the_guides_own_block_may_stand_beside_it() -> None:
    """A program that declares the guide's families itself shares them with the recorders."""
    script = (
        "from prometheus_client import REGISTRY, Counter\n"
        "own = Counter('genrf_circuits_generated_total', 'Total circuits generated',\n"
        "    ['circuit_type', 'technology', 'status'])\n"
        "from veriscope.genrf import metrics, record_generation\n"
        "assert metrics.circuit_generation_total is own\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)


def test_a_generation_is_counted_and_timed(name: str, value: Callable[..., float]) -> None:
    """One call counts the generation and observes its duration."""
    genrf.record_generation(name, "tsmc65", "success", 7.5, 40)
    assert (
        value(
            "genrf_circuits_generated_total",
            circuit_type=name,
            technology="tsmc65",
            status="success",
        )
        == 1
    )
    labels = {"circuit_type": name, "optimization_steps": "40"}
    assert value("genrf_generation_duration_seconds_sum", **labels) == 7.5
    assert value("genrf_generation_duration_seconds_bucket", le="10.0", **labels) == 1
    assert value("genrf_generation_duration_seconds_bucket", le="5.0", **labels) == 0


def test_each_recorder_has_its_family(name: str, value: Callable[..., float]) -> None:
    """Every recorder writes to the family and the labels that the guide gives it."""
    genrf.record_spice_run("ngspice", name, "failed")
    genrf.record_convergence_failure(name, "timestep_too_small")
    genrf.record_gpu_memory(name, 2.0**33)
    genrf.record_inference(name, 8, 0.02)
    genrf.record_quality("gain_db", name, "tsmc65", 15.0)
    genrf.record_rating(name, 4)
    genrf.record_pending_generations(3)
    assert (
        value("genrf_spice_simulations_total", engine="ngspice", circuit_type=name, status="failed")
        == 1
    )
    assert (
        value(
            "genrf_spice_convergence_failures_total",
            circuit_type=name,
            failure_type="timestep_too_small",
        )
        == 1
    )
    assert value("genrf_gpu_memory_bytes", gpu_id=name) == 2.0**33
    assert value("genrf_model_inference_seconds_sum", model_type=name, batch_size="8") == 0.02
    quality = {"metric_type": "gain_db", "circuit_type": name, "technology": "tsmc65"}
    assert value("genrf_circuit_performance_sum", **quality) == 15.0
    assert value("genrf_user_satisfaction_score_sum", feature=name) == 4
    assert value("pending_generations") == 3
    genrf.record_pending_generations(0)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (None, "success"),
        (ValueError, "failed"),
        (TimeoutError, "timeout"),
        (SystemExit, "cancelled"),
    ],
)
def test_a_block_is_a_generation(
    name: str, value: Callable[..., float], error: type[BaseException] | None, status: str
) -> None:
    """The block's end is the status, what it raises goes on, and it may report quality."""
    expected = pytest.raises(error) if error is not None else contextlib.nullcontext()
    with expected, genrf.generation(name, "gpdk45", optimization_steps=5) as running:
        running.quality("power_mw", 3.0)
        running.optimization_steps = 9
        if error is not None:
            raise error
    labels = {"circuit_type": name, "technology": "gpdk45"}
    assert value("genrf_circuits_generated_total", status=status, **labels) == 1
    assert value("genrf_circuit_performance_count", metric_type="power_mw", **labels) == 1
    timed = {"circuit_type": name, "optimization_steps": "9"}
    assert value("genrf_generation_duration_seconds_count", **timed) == 1


def test_a_block_is_a_simulation_or_an_inference(name: str, value: Callable[..., float]) -> None:
    """Simulations count by their end; an inference that fails has no time."""
    with genrf.spice_run("ngspice", name), genrf.inference(name, 1):
        pass
    with pytest.raises(LookupError), genrf.spice_run("ngspice", name), genrf.inference(name, 1):
        raise LookupError
    for status in ("success", "failed"):
        labels = {"engine": "ngspice", "circuit_type": name, "status": status}
        assert value("genrf_spice_simulations_total", **labels) == 1
    assert value("genrf_model_inference_seconds_count", model_type=name, batch_size="1") == 1


@pytest.mark.parametrize(
    ("call", "family", "reason"),
    [
        (
            lambda name: genrf.record_generation(name, "t", "done", 1.0, 1),
            "genrf_circuits_generated_total",
            "unknown_status",
        ),
        (
            lambda name: genrf.record_generation(name, "t", "failed", -1.0, 1),
            "genrf_circuits_generated_total",
            "negative",
        ),
        (
            lambda name: genrf.record_spice_run("ngspice", name, "converged"),
            "genrf_spice_simulations_total",
            "unknown_status",
        ),
        (
            lambda name: genrf.record_inference(name, 1, math.nan),
            "genrf_model_inference_seconds",
            "not_finite",
        ),
        (
            lambda name: genrf.record_quality("gain", name, "t", "high"),
            "genrf_circuit_performance",
            "not_a_number",
        ),
        (
            lambda name: genrf.record_rating(name, 6),
            "genrf_user_satisfaction_score",
            "not_from_1_to_5",
        ),
        (
            lambda name: genrf.record_rating(name, 0),
            "genrf_user_satisfaction_score",
            "not_from_1_to_5",
        ),
        (lambda name: genrf.record_gpu_memory(name, -1), "genrf_gpu_memory_bytes", "negative"),
        (lambda _: genrf.record_pending_generations(-1), "pending_generations", "negative"),
    ],
)
def test_what_cannot_be_is_refused_and_counted(
    name: str, value: Callable[..., float], call: Callable[[str], None], family: str, reason: str
) -> None:
    """A wrong record raises nothing, is counted by reason, and leaves no trace in its family."""
    before = value("veriscope_genrf_refused_total", family=family, reason=reason)
    call(name)
    assert value("veriscope_genrf_refused_total", family=family, reason=reason) == before + 1
    for known in REGISTRY.collect():
        assert all(name not in sample.labels.values() for sample in known.samples)


def test_a_refusal_is_logged_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first refusal of a kind is logged; the others are only counted."""
    monkeypatch.setattr(genrf.recorders._Recording, "_told", set())
    with capture_logs() as logs:
        for _ in range(3):
            genrf.record_rating("export", 9)
    assert [log["event"] for log in logs] == ["record refused"]


def test_label_values_are_bounded() -> None:
    """Past the limit new values become `other`; known ones stay, and long ones are cut."""
    values = genrf.recorders._Label()
    known = [values.admit(number) for number in range(100)]
    assert known == [str(number) for number in range(100)]
    assert values.admit("new") == "other"
    assert values.admit(7) == "7"
    assert len(genrf.recorders._Label().admit("x" * 1000)) == 128
    assert genrf.recorders._Label().admit("") == "unknown"


def test_buckets_lead_to_traces(name: str) -> None:
    """A duration that was recorded in a sampled span carries its trace as exemplar."""
    with TracerProvider().get_tracer("test").start_as_current_span("generate") as span:
        genrf.record_generation(name, "tsmc65", "success", 2.0, 1)
    trace_id = f"{span.get_span_context().trace_id:032x}"
    assert trace_id in generate_latest(REGISTRY).decode()


def test_processes_are_added_up(tmp_path: Path) -> None:
    """In prometheus_client's multiprocess mode the families work, with the guide's labels."""
    script = (
        "import sys\n"
        "from veriscope import genrf\n"
        "genrf.record_generation('lna', 'tsmc65', 'success', 1.0, 10)\n"
        "genrf.record_gpu_memory(0, float(sys.argv[1]))\n"
        "genrf.record_pending_generations(2)\n"
        "genrf.record_rating('export', 5)\n"
    )
    gather = (
        "from prometheus_client import CollectorRegistry, multiprocess\n"
        "registry = CollectorRegistry()\n"
        "multiprocess.MultiProcessCollector(registry)\n"
        "value = registry.get_sample_value\n"
        "labels = dict(circuit_type='lna', technology='tsmc65', status='success')\n"
        "assert value('genrf_circuits_generated_total', labels) == 2\n"
        "assert value('genrf_gpu_memory_bytes', {'gpu_id': '0'}) == 30\n"
        "assert value('pending_generations') == 4\n"
        "assert value('genrf_user_satisfaction_score_count', {'feature': 'export'}) == 2\n"
    )
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    for arguments in (["-c", script, "20"], ["-c", script, "30"], ["-c", gather]):
        subprocess.run([sys.executable, *arguments], check=True, env=environment, timeout=60)


def test_everything_for_a_service_is_under_one_roof() -> None:
    """The names of the guide can be imported from `veriscope.genrf`, and are documented."""
    for public in genrf.__all__:
        assert getattr(genrf, public).__doc__
    with pytest.raises(AttributeError):
        _ = genrf.nothing_of_the_kind
