from collections.abc import Callable

import numpy as np
import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from examples.genrf import generation
from examples.genrf.circuits import FAMILIES, CircuitSpec
from examples.genrf.generation import (
    Attempt,
    CancelledError,
    GenerationError,
    Workbench,
    generate_circuit,
)
from examples.genrf.spice import Simulator

Specs = Callable[..., CircuitSpec]


def test_lna_gets_better_than_its_start(simulator: Simulator, spec_of: Specs) -> None:
    """The optimised LNA meets a modest spec that the start point misses, in ngspice's figures."""
    spec, family = spec_of("LNA", simulations=80), FAMILIES["LNA"]
    attempt = Attempt(spec, Workbench(simulator, seed=1))
    starts = [
        attempt.figures(topology, np.full(len(topology.parameters(spec)), 0.5))
        for topology in family.topologies
    ]
    best_start = min(family.score(figures, spec.targets) for figures in starts)
    circuit = generate_circuit(attempt)
    assert best_start > 0
    assert circuit.unmet == ()
    assert circuit.score < 0
    again = attempt.simulate(circuit.netlist)
    assert attempt.figures_of(again, circuit.values) == circuit.figures
    assert set(circuit.corners) == {"0C", "85C"}
    assert circuit.corners["85C"]["noise_figure_db"] > circuit.corners["0C"]["noise_figure_db"]


def test_each_stage_is_a_span(
    simulator: Simulator, spec_of: Specs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A generation is a trace: the document's spans and attributes, and one per simulation."""
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("test")
    monkeypatch.setattr(generation, "_tracer", tracer)
    monkeypatch.setattr("examples.genrf.spice._tracer", tracer)
    attempt = Attempt(spec_of("Filter", simulations=20), Workbench(simulator, seed=1))
    with tracer.start_as_current_span("request"):
        circuit = tracer.start_as_current_span("generate_circuit")(
            generation.generate_circuit.__wrapped__
        )(attempt)
    spans = exporter.get_finished_spans()
    (whole,) = [span for span in spans if span.name == "generate_circuit"]
    assert whole.attributes == {
        "circuit.type": "Filter",
        "circuit.frequency": 1e8,
        "circuit.technology": "tsmc65",
    }
    stages = [span.name for span in spans if span.parent and span.parent == whole.context]
    assert stages == ["topology_generation", "parameter_optimization", "spice_validation"]
    simulated = [span for span in spans if span.name == "spice_simulation"]
    assert len(simulated) == circuit.simulations
    assert {span.context.trace_id for span in spans} == {whole.context.trace_id}


def test_impossible_targets_are_told(simulator: Simulator, spec_of: Specs) -> None:
    """What physics does not allow is missed within the budget, and the circuit says what."""
    spec = spec_of("Filter", targets={"stopband_attenuation_db": 80.0}, simulations=20)
    circuit = generate_circuit(Attempt(spec, Workbench(simulator, seed=1)))
    assert any(missed.startswith("stopband_attenuation_db is ") for missed in circuit.unmet)
    assert circuit.score > 0


def test_a_broken_engine_is_a_failure(ngspice: str, spec_of: Specs) -> None:
    """When every simulation dies the generation fails and says of what."""
    simulator = Simulator(executable=ngspice, sabotage=lambda _deck: None)
    with pytest.raises(GenerationError, match=r"no_working_topology: .* x crashed"):
        generate_circuit(Attempt(spec_of(), Workbench(simulator)))
    simulator.close()


def test_a_stop_is_obeyed(simulator: Simulator, spec_of: Specs) -> None:
    """A generation that is told to stop simulates no more."""
    attempt = Attempt(spec_of(), Workbench(simulator), is_cancelled=lambda: attempt.simulations > 2)
    with pytest.raises(CancelledError):
        generate_circuit(attempt)
    assert attempt.simulations == 3
