"""What a user of genRF does: ask for circuits, wait for them, rate them."""

import asyncio
from typing import Any, Final

from examples.demo.visits import Action, Visitor
from examples.genrf.circuits import FAMILIES
from examples.genrf.technology import TECHNOLOGIES

_ACCEPTED: Final = 202
_OK: Final = 200
_POLL_S: Final = 0.5
_UNDER_WAY: Final = frozenset({"queued", "running"})


async def generate(visitor: Visitor) -> None:
    """Ask for a circuit, wait until it is there, and rate it."""
    family = FAMILIES[visitor.chance.choice(sorted(FAMILIES))]
    low, high = family.frequency_low, family.frequency_high
    body = {
        "circuit_type": family.name,
        "technology": visitor.chance.choice(sorted(TECHNOLOGIES)),
        "frequency": low * (high / low) ** visitor.chance.random(),
        "user": visitor.name,
        "simulations": visitor.chance.choice((20, 24, 30)),
    }
    async with visitor.ask("POST", "/generate", body) as answer:
        accepted = await answer.json()
        status = answer.status
    if status != _ACCEPTED:
        return
    job = await _ended(visitor, accepted["job_id"])
    outcome = "success" if job["state"] == "done" and not job["reason"] else "failed"
    visitor.tally.generations[str(body["circuit_type"]), str(body["technology"]), outcome] += 1
    if job.get("circuit_id"):
        await _rate(visitor, job["circuit_id"])


async def _ended(visitor: Visitor, job_id: str) -> dict[str, Any]:
    while True:
        async with visitor.ask("GET", f"/jobs/{job_id}", route="/jobs/{job_id}") as answer:
            if answer.status != _OK:
                return {"state": "lost", "reason": f"status {answer.status}"}
            job: dict[str, Any] = await answer.json()
        if job["state"] not in _UNDER_WAY:
            return job
        await asyncio.sleep(_POLL_S)


async def _rate(visitor: Visitor, circuit_id: str) -> None:
    body = {
        "circuit_id": circuit_id,
        "feature": visitor.chance.choice(("generation", "quality", "speed")),
        "score": visitor.chance.randint(2, 5),
        "user": visitor.name,
    }
    async with visitor.ask("POST", "/rate", body) as answer:
        await answer.read()
        status = answer.status
    if status < 300:  # noqa: PLR2004 - any success
        visitor.tally.ratings[(str(body["feature"]),)] += 1


async def browse(visitor: Visitor) -> None:
    """Look at what can be made, and at what was made."""
    for path in ("/catalogue", "/circuits"):
        async with visitor.ask("GET", path) as answer:
            await answer.json()


CIRCUIT_ACTIONS: Final[tuple[tuple[Action, float], ...]] = ((generate, 0.3), (browse, 0.7))
