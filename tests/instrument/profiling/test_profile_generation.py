import asyncio
import inspect
import os
import pstats
import re
import sys
import threading
import time
from collections.abc import AsyncGenerator, Callable, Generator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from veriscope.instrument.profiling import generation, profile_generation
from veriscope.instrument.profiling.tracer import ProfileTracer, ThreadTracer, Tracer

Profiles = Callable[[], list[Path]]


@pytest.fixture(params=[ProfileTracer, ThreadTracer], autouse=True)
def tracer(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> type[Tracer]:
    """Run each test with the tracer of every version of Python that keeps its promises here."""
    if request.param is ProfileTracer and sys.version_info >= (3, 12):
        pytest.skip("cProfile sees all threads from Python 3.12 on")
    monkeypatch.setattr(generation, "new_tracer", request.param)
    kind: type[Tracer] = request.param
    return kind


def calls_of(path: Path, name: str) -> int:
    """Return how often function *name* was called, by the profile at *path*."""
    stats: Any = pstats.Stats(str(path))
    return sum(figures[1] for key, figures in stats.stats.items() if key[2] == name)


def seconds_in(path: Path, name: str) -> float:
    """Return the total seconds in function *name*, by the profile at *path*."""
    stats: Any = pstats.Stats(str(path))
    return sum(figures[3] for key, figures in stats.stats.items() if key[2] == name)


def simulate() -> int:
    """Do something that takes calls."""
    return sum(square(number) for number in range(10))


def square(number: int) -> int:
    """Return the square."""
    return number * number


def test_a_call_leaves_a_profile(tmp_path: Path, profiles: Profiles) -> None:
    """The result comes back, and the file has the name, the calls and the callers."""

    @profile_generation(directory=tmp_path)
    def generate_lna_circuit(spec: int) -> int:
        return simulate() + spec

    assert generate_lna_circuit(5) == 290
    (path,) = profiles()
    assert re.fullmatch(r"profile_generate_lna_circuit_\d{10}_\d+_\d+\.prof", path.name)
    assert calls_of(path, "square") == 10
    assert calls_of(path, "generate_lna_circuit") == 1
    stats: Any = pstats.Stats(str(path))
    callers = next(row[4] for key, row in stats.stats.items() if key[2] == "simulate")
    assert [key[2] for key in callers] == ["generate_lna_circuit"]


def test_it_works_without_brackets(
    tmp_path: Path, profiles: Profiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in the guide: `@profile_generation` writes to the working directory."""
    monkeypatch.chdir(tmp_path)

    @profile_generation
    def generate(spec: str, *, steps: int = 3) -> str:
        """Generate."""
        return spec * steps

    assert generate("a", steps=2) == "aa"
    assert len(profiles()) == 1
    assert (generate.__name__, generate.__doc__) == ("generate", "Generate.")
    assert list(inspect.signature(generate).parameters) == ["spec", "steps"]


def test_exceptions_pass(tmp_path: Path, profiles: Profiles) -> None:
    """The function's own exception comes out, and its profile is written all the same."""

    @profile_generation(directory=tmp_path)
    def generate() -> None:
        raise LookupError("no topology")

    with pytest.raises(LookupError, match="no topology"):
        generate()
    assert len(profiles()) == 1


def test_calls_within_share_the_profile(tmp_path: Path, profiles: Profiles) -> None:
    """A profiled function that calls another, or itself, leaves one file with both in it."""

    @profile_generation(directory=tmp_path)
    def inner(depth: int) -> int:
        return inner(depth - 1) + square(2) if depth else 0

    @profile_generation(directory=tmp_path)
    def outer() -> int:
        return inner(3) + simulate()

    assert outer() == 12 + 285
    (path,) = profiles()
    assert path.name.startswith("profile_outer_")
    assert calls_of(path, "inner") == 4
    assert calls_of(path, "square") == 13


def test_recursion_counts_time_once(tmp_path: Path, profiles: Profiles) -> None:
    """The total of a recursive function is not more than the time that passed."""

    @profile_generation(directory=tmp_path)
    def generate(depth: int) -> None:
        time.sleep(0.01)
        if depth:
            generate.__wrapped__(depth - 1)  # type: ignore[attr-defined]

    begun = time.perf_counter()
    generate(3)
    passed = time.perf_counter() - begun
    assert 0.03 < seconds_in(profiles()[0], "generate") <= passed


def test_threads_do_not_clash(tmp_path: Path, profiles: Profiles) -> None:
    """Calls in several threads at a time have a file each, with their own calls only."""
    barrier = threading.Barrier(8)

    @profile_generation(directory=tmp_path)
    def generate(count: int) -> None:
        barrier.wait()
        for number in range(count):
            square(number)

    threads = [threading.Thread(target=generate, args=(100 + n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(calls_of(path, "square") for path in profiles()) == [100 + n for n in range(8)]


def test_coroutines_that_interleave_are_kept_apart(tmp_path: Path, profiles: Profiles) -> None:
    """Each coroutine's profile has its own steps, and not the time it waited."""

    @profile_generation(directory=tmp_path)
    async def generate(count: int) -> int:
        for number in range(count):
            square(number)
            await asyncio.sleep(0.05)
        return count

    async def run() -> list[int]:
        return await asyncio.gather(*(generate(count) for count in (3, 5, 7)))

    assert inspect.iscoroutinefunction(generate)
    assert asyncio.run(run()) == [3, 5, 7]
    assert sorted(calls_of(path, "square") for path in profiles()) == [3, 5, 7]
    assert all(seconds_in(path, "generate") < 0.15 for path in profiles())


def test_a_cancelled_coroutine_is_cancelled(tmp_path: Path, profiles: Profiles) -> None:
    """Cancelling reaches the coroutine, which may clean up, and its profile is written."""
    cleaned = []

    @profile_generation(directory=tmp_path)
    async def generate() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            cleaned.append(square(2))

    async def run() -> None:
        task = asyncio.create_task(generate())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run())
    assert cleaned == [4]
    assert calls_of(profiles()[0], "square") == 1


def test_a_coroutine_needs_no_asyncio(tmp_path: Path, profiles: Profiles) -> None:
    """A coroutine that another loop drives is profiled as well."""

    @profile_generation(directory=tmp_path)
    async def generate() -> int:
        return simulate()

    with pytest.raises(StopIteration, match="285"):
        generate().send(None)
    assert len(profiles()) == 1


def test_generators_keep_their_protocol(tmp_path: Path, profiles: Profiles) -> None:
    """Values sent, exceptions thrown and the return value pass through a generator."""

    @profile_generation(directory=tmp_path)
    def generate() -> Generator[int, int, str]:
        got = yield square(1)
        try:
            yield got
        except KeyError:
            return "caught"
        return "missed"

    steps = generate()
    assert next(steps) == 1
    assert steps.send(7) == 7
    with pytest.raises(StopIteration, match="caught"):
        steps.throw(KeyError("k"))
    assert calls_of(profiles()[0], "square") == 1


def test_a_generator_can_be_closed(tmp_path: Path, profiles: Profiles) -> None:
    """Closing runs the generator's own clean-up, and writes its profile."""
    cleaned = []

    @profile_generation(directory=tmp_path)
    def generate() -> Generator[int, None, None]:
        try:
            yield 1
        finally:
            cleaned.append(True)

    steps = generate()
    next(steps)
    steps.close()
    assert cleaned == [True]
    assert len(profiles()) == 1


def test_async_generators_keep_their_protocol(tmp_path: Path, profiles: Profiles) -> None:
    """Values sent and exceptions thrown reach an asynchronous generator, and it ends."""

    @profile_generation(directory=tmp_path)
    async def generate() -> AsyncGenerator[int, int]:
        await asyncio.sleep(0)
        got = yield square(3)
        try:
            yield got
        except KeyError:
            yield -1

    async def run() -> list[int]:
        steps = generate()
        seen = [await anext(steps), await steps.asend(7), await steps.athrow(KeyError("k"))]
        with pytest.raises(StopAsyncIteration):
            await anext(steps)
        return seen

    assert asyncio.run(run()) == [9, 7, -1]
    assert calls_of(profiles()[0], "square") == 1


def test_another_profiler_is_left_alone(tmp_path: Path, profiles: Profiles) -> None:
    """Where the application profiles this thread itself, nothing is taken from it."""
    seen = []

    def own(_frame: object, event: str, _argument: object) -> None:
        seen.append(event)

    @profile_generation(directory=tmp_path)
    def generate() -> int:
        return simulate()

    sys.setprofile(own)
    try:
        generate()
        assert sys.getprofile() is own
    finally:
        sys.setprofile(None)
    assert "call" in seen
    assert profiles() == []


def test_old_profiles_are_let_go(tmp_path: Path, profiles: Profiles) -> None:
    """Only the newest `keep` files of a function stay; those of others are not touched."""
    other = tmp_path / "profile_generate_more_1_1_1.prof"
    other.write_bytes(b"")

    @profile_generation(directory=tmp_path, keep=3)
    def generate() -> None:
        pass

    for _ in range(6):
        generate()
    assert other.exists()
    assert len(profiles()) == 4


def test_a_clock_set_back_costs_no_new_profile(tmp_path: Path, profiles: Profiles) -> None:
    """Files that seem to come from the future go first, not those written now."""

    @profile_generation(directory=tmp_path, keep=2)
    def generate() -> None:
        pass

    generate()
    generate()
    in_an_hour = time.time() + 3600
    before = profiles()
    for path in before:
        os.utime(path, (in_an_hour, in_an_hour))
    generate()
    generate()
    assert len(profiles()) == 2
    assert not set(before) & set(profiles())


def test_a_profile_too_large_is_counted(
    tmp_path: Path, profiles: Profiles, registry: CollectorRegistry
) -> None:
    """A profile past `max_bytes` is dropped, and the function knows nothing of it."""

    @profile_generation(directory=tmp_path, max_bytes=10, registry=registry)
    def generate() -> int:
        return 1

    assert generate() == 1
    assert profiles() == []
    reason = {"kind": "call", "reason": "too_large"}
    assert registry.get_sample_value("veriscope_profiles_dropped_total", reason) == 1


@pytest.mark.parametrize("wrong", [{"keep": 0}, {"max_bytes": 0}])
def test_wrong_bounds_are_refused(wrong: dict[str, int]) -> None:
    """A bound that keeps nothing is refused where it is written."""
    with pytest.raises(ValueError, match="at least 1"):
        profile_generation(**wrong)


def test_only_what_can_be_called_is_profiled() -> None:
    """Decorating something else is refused where it is written."""
    with pytest.raises(TypeError, match="cannot be profiled"):
        profile_generation(3)  # type: ignore[call-overload]
