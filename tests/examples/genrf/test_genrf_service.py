import json
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

LNA = {
    "circuit_type": "LNA",
    "technology": "tsmc65",
    "frequency": 2.4e9,
    "user": "ann",
    "session": "s-1",
    "simulations": 30,
}
FILTER = {"circuit_type": "Filter", "technology": "sky130", "frequency": 1e8, "simulations": 20}


def until(holds: Callable[[], Any], seconds: float = 60) -> Any:
    """Return the first true answer of *holds*."""
    deadline = time.monotonic() + seconds
    while not (answer := holds()):
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.05)
    return answer


def finished(service: Any, job_id: str) -> dict[str, Any]:
    """Return the job once it has ended."""

    def ended() -> dict[str, Any] | None:
        job = service.ask("GET", f"/jobs/{job_id}")[1]
        return None if job["state"] in {"queued", "running"} else job

    return until(ended)


def test_a_circuit_is_generated_exported_and_rated(
    start_service: Callable[..., Any], tmp_path: Path
) -> None:
    """From the request to the rating, all of it shows in metrics and logs."""
    service = start_service("--profile-every", "1")
    status, accepted, headers = service.ask("POST", "/generate", LNA)
    assert (status, headers["location"]) == (202, f"/jobs/{accepted['job_id']}")
    job = finished(service, accepted["job_id"])
    assert job["state"] == "done"
    circuit = service.ask("GET", f"/circuits/{job['circuit_id']}")[1]
    assert set(circuit["figures"]) == {"gain_db", "noise_figure_db", "s11_db", "power_mw"}
    netlist = service.ask("GET", f"/circuits/{job['circuit_id']}?format=spice")[1]
    assert netlist.startswith("* genrf LNA")
    assert netlist == circuit["netlist"]
    rating = {"circuit_id": job["circuit_id"], "feature": "quality", "score": 5}
    assert service.ask("POST", "/rate", rating)[0] == 204
    assert service.ask("GET", "/users/active")[1]["active_users"] == 1

    met = "success" if circuit["met"] else "failed"
    labels = f'circuit_type="LNA",status="{met}",technology="tsmc65"'
    assert service.metric(f"genrf_circuits_generated_total{{{labels}}}") == 1
    ran = service.metric('genrf_spice_simulations_total{circuit_type="LNA",engine="ngspice"')
    assert ran == circuit["simulations"]
    assert service.metric("genrf_generation_duration_seconds_count") == 1
    assert service.metric("genrf_model_inference_seconds_count") > 0
    assert service.metric("genrf_circuit_performance_count") == 4
    assert service.metric('genrf_user_satisfaction_score_count{feature="quality"}') == 1
    assert service.metric("genrf_exports_total") == 2
    assert service.metric("pending_generations") == 0

    records = [json.loads(line) for line in (tmp_path / "logs/genrf.log").read_text().splitlines()]
    (last,) = [record for record in records if "generation_time" in record]
    said = {
        "circuit_type": "LNA",
        "technology": "tsmc65",
        "spice_engine": "ngspice",
        "user_id": "ann",
        "session_id": "s-1",
    }
    assert said.items() <= last.items()
    assert last["trace_id"]
    assert list((tmp_path / "profiles").glob("*.prof"))
    assert service.ask("GET", "/health")[1]["checks"]["spice"] == "healthy"
    assert service.end(signal.SIGTERM) == 0


def test_finished_circuits_survive_a_kill(start_service: Callable[..., Any]) -> None:
    """After `kill -9` circuits are there and unfinished jobs are told to be interrupted."""
    service = start_service("--workers", "1")
    done = finished(service, service.ask("POST", "/generate", FILTER)[1]["job_id"])
    left = [service.ask("POST", "/generate", LNA)[1]["job_id"] for _ in range(3)]
    service.end(signal.SIGKILL)
    again = start_service("--workers", "1")
    assert again.ask("GET", f"/circuits/{done['circuit_id']}")[0] == 200
    assert again.ask("GET", f"/jobs/{left[-1]}")[1]["state"] == "interrupted"


def test_a_full_queue_refuses_and_a_stop_cancels(start_service: Callable[..., Any]) -> None:
    """Past the queue's depth comes 429 with a time to wait; SIGTERM records all as cancelled."""
    service = start_service("--workers", "1", "--queue", "2")
    answers = [service.ask("POST", "/generate", {**LNA, "simulations": 400}) for _ in range(6)]
    accepted = [answer[1]["job_id"] for answer in answers if answer[0] == 202]
    refused = [answer for answer in answers if answer[0] == 429]
    assert accepted
    assert refused
    assert all(int(headers["retry-after"]) >= 1 for _, _, headers in refused)
    assert service.metric("pending_generations") == 2
    assert service.end(signal.SIGTERM) == 0
    after = start_service()
    states = {after.ask("GET", f"/jobs/{job_id}")[1]["state"] for job_id in accepted}
    assert states <= {"cancelled", "done"}
    assert "cancelled" in states


def test_what_is_refused_goes_to_the_security_log(
    start_service: Callable[..., Any], tmp_path: Path
) -> None:
    """A wrong request gets 400, a huge one 413, an unknown circuit 404; two are suspicious."""
    service = start_service()
    assert service.ask("POST", "/generate", {**LNA, "user": "a b"})[0] == 400
    assert service.ask("POST", "/generate", b"x" * 20_000)[0] == 413
    assert service.ask("GET", "/circuits/none")[0] == 404
    assert service.ask("GET", "/circuits?limit=0")[0] == 400
    rating = {"circuit_id": "none", "feature": "quality", "score": 5}
    assert service.ask("POST", "/rate", rating)[0] == 404
    log = (tmp_path / "logs/genrf-security.log").read_text().splitlines()
    assert [json.loads(line)["path"] for line in log] == ["/generate", "/generate", "/circuits"]
    assert service.metric("genrf_refused_requests_total") == 5


def test_faults_do_harm_and_end(start_service: Callable[..., Any]) -> None:
    """Each fault shows where it should while it is on."""
    service = start_service()

    def switch(name: str, *, on: bool) -> None:
        assert service.ask("POST", "/faults", {"name": name, "on": on})[0] == 200

    switch("gpu-hot", on=True)
    assert service.metric('genrf_gpu_memory_bytes{gpu_id="simulated"}') > 0.9 * (8 << 30)
    switch("gpu-hot", on=False)
    assert service.metric('genrf_gpu_memory_bytes{gpu_id="simulated"}') == 0

    switch("spice-crash", on=True)
    job_id = service.ask("POST", "/generate", FILTER)[1]["job_id"]
    finished(service, job_id)
    assert service.metric("genrf_spice_convergence_failures_total") >= 4
    switch("spice-crash", on=False)

    finished(service, service.ask("POST", "/generate", FILTER)[1]["job_id"])
    seconds = "genrf_model_inference_seconds_sum"
    count = "genrf_model_inference_seconds_count"
    healthy = service.metric(seconds) / service.metric(count)
    before = service.metric(seconds), service.metric(count)
    switch("slow-model", on=True)
    finished(service, service.ask("POST", "/generate", FILTER)[1]["job_id"])
    slow = (service.metric(seconds) - before[0]) / (service.metric(count) - before[1])
    assert slow > 10 * healthy
    switch("slow-model", on=False)

    switch("error-burst", on=True)
    failed = 'genrf_circuits_generated_total{circuit_type="LNA",status="failed"'
    until(lambda: service.metric(failed) > 0)
    switch("error-burst", on=False)
