"""INV-019 at HAProxy: the configuration is valid, a payment is never sent twice by it, weights are applied and read back."""

from __future__ import annotations

import contextlib
import os
import socket
import stat
import subprocess
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest

from symphony.operator_error import OperatorError
from symphony.postgres_directory import free_port
from symphony.routing import configuration
from symphony.routing.configuration import COLOUR_HEADER, Colour
from symphony.routing.haproxy import HaproxyUnavailable, RuntimeSocket, ServerStatus
from tests.haproxy_process import Haproxy, Peer, haproxy, peers
from tests.until import until

type Setting = tuple[Haproxy, Peer, Peer]


@pytest.fixture
async def checking() -> AsyncIterator[Setting]:
    """HAProxy in front of two peers, half and half."""
    async with peers() as (blue, green):
        with haproxy(blue.colour, green.colour) as process:
            await process.runtime.set_weights({"blue": 50, "green": 50})
            yield process, blue, green


@pytest.fixture
async def setting(checking: Setting) -> Setting:
    """The same, with peers that count as ready."""
    await checking[0].trust()
    return checking


async def send(session: aiohttp.ClientSession, url: str, name: str) -> tuple[int, str]:
    try:
        async with session.post(f"{url}/v1/instructions", json={"instruction_id": name}) as answer:
            return answer.status, answer.headers.get(COLOUR_HEADER, "")
    except aiohttp.ClientError:
        return 0, ""


async def ended(process: Haproxy, requests: int) -> dict[str, ServerStatus]:
    """What HAProxy has counted once so many requests have ended, which is a moment after their answers."""

    async def all_there() -> bool:
        return sum(one.requests for one in (await process.runtime.status()).values()) == requests

    await until(all_there)
    return await process.runtime.status()


def test_the_configuration_is_valid_and_binds_loopback_only(tmp_path: Path) -> None:
    file = tmp_path / "haproxy.cfg"
    colours = (Colour("127.0.0.1:18080", 19080), Colour("127.0.0.1:18081", 19081))
    file.write_text(configuration.text(socket=tmp_path / "s", port=free_port(), blue=colours[0], green=colours[1]))
    done = subprocess.run([configuration.program(), "-c", "-f", str(file)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    lines = [line.strip() for line in file.read_text().splitlines()]
    assert [line for line in lines if line.startswith("bind ") and not line.startswith("bind 127.0.0.1:")] == []
    assert [line for line in lines if line.startswith("retry-on")] == ["retry-on conn-failure"]


def test_without_the_program_the_error_names_the_next_action(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(configuration, "_ADMIN", tmp_path / "none")
    monkeypatch.setattr(configuration, "_CACHED", tmp_path / "none")
    with pytest.raises(OperatorError, match=r"^HAPROXY_MISSING: .* Next: run scripts/setup --test"):
        configuration.program()


async def test_the_runtime_socket_is_the_owners_alone(setting: Setting) -> None:
    process, _, _ = setting
    assert stat.S_IMODE(os.stat(process.socket).st_mode) == 0o600


async def test_weights_are_set_read_back_and_followed(setting: Setting) -> None:
    process, _, _ = setting
    runtime = process.runtime
    async with aiohttp.ClientSession() as session:
        for weights in ({"blue": 100, "green": 0}, {"blue": 0, "green": 100}, {"blue": 75, "green": 25}):
            await runtime.set_weights(weights)
            assert {name: status.weight_pct for name, status in (await runtime.status()).items()} == weights
            got = Counter([(await send(session, process.url, f"W-{n}"))[1] for n in range(40)])
            assert got == {name: 40 * share // 100 for name, share in weights.items() if share}
    status = await ended(process, 120)
    assert sum(one.errors for one in status.values()) == 0


async def test_a_request_that_was_sent_is_never_sent_again(setting: Setting) -> None:
    process, blue, green = setting
    blue.behaviour = green.behaviour = "cut"
    async with aiohttp.ClientSession() as session:
        answers = [await send(session, process.url, f"CUT-{n}") for n in range(10)]
    assert Counter(status for status, _ in answers) == {502: 5, 0: 5}, "and the client is not told that it worked"
    assert max(Counter(blue.posted + green.posted).values()) == 1
    errors = {name: status.errors for name, status in (await ended(process, 10)).items()}
    assert sum(errors.values()) == 10, errors


async def test_an_interim_answer_does_not_hide_that_the_answer_was_lost(setting: Setting) -> None:
    process, blue, green = setting
    blue.behaviour = green.behaviour = "cut"
    async with aiohttp.ClientSession() as session:
        for n in range(10):
            with contextlib.suppress(aiohttp.ClientError):
                async with session.post(
                    f"{process.url}/v1/instructions", json={"instruction_id": f"X-{n}"}, expect100=True
                ) as answer:
                    await answer.read()
    assert len(blue.posted + green.posted) == 10
    status = await ended(process, 10)
    assert sum(colour.errors for colour in status.values()) == 10, status


async def test_another_haproxy_process_is_told_from_the_last(setting: Setting) -> None:
    process, _, _ = setting
    names = [{status.process for status in (await process.runtime.status()).values()} for _ in "ab"]
    process.stop()
    process.start()
    names.append({status.process for status in (await process.runtime.status()).values()})
    assert names[0] == names[1]
    assert len(names[0]) == 1
    assert names[0].isdisjoint(names[2])


async def test_server_errors_are_counted_and_passed_on(setting: Setting) -> None:
    process, _, green = setting
    green.behaviour = "refuse"
    async with aiohttp.ClientSession() as session:
        answers = Counter([await send(session, process.url, f"E-{n}") for n in range(20)])
    assert answers == {(202, "blue"): 10, (500, "green"): 10}
    status = await ended(process, 20)
    assert (status["green"].requests, status["green"].errors, status["blue"].errors) == (10, 10, 0)


@contextlib.contextmanager
def refusing() -> Iterator[int]:
    """A port that is taken and refuses connections."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield int(taken.getsockname()[1])


async def test_a_connection_that_was_never_made_is_tried_on_the_other_colour() -> None:
    async with peers() as (blue, _):
        with refusing() as port, haproxy(blue.colour, Colour(f"127.0.0.1:{port}", blue.port)) as process:
            await process.trust()
            await process.runtime.set_weights({"blue": 50, "green": 50})
            async with aiohttp.ClientSession() as session:
                answers = Counter([await send(session, process.url, f"R-{n}") for n in range(10)])
            assert answers == {(202, "blue"): 10}
            assert max(Counter(blue.posted).values()) == 1
            status = await process.runtime.status()
            assert (status["green"].errors, status["blue"].errors) == (status["green"].requests, 0)
            assert status["green"].errors >= 5, "the connection that failed is held against green"


async def test_an_unready_colour_gets_nothing(checking: Setting) -> None:
    process, _, green = checking
    green.ready = False

    async def only_blue() -> bool:
        async with aiohttp.ClientSession() as session:
            return {(await send(session, process.url, f"U-{n}"))[1] for n in range(6)} == {"blue"}

    await until(only_blue)


async def test_a_socket_that_does_not_answer_has_a_named_error(tmp_path: Path) -> None:
    with pytest.raises(HaproxyUnavailable, match=r"^HAPROXY_UNREACHABLE: .*none: FileNotFoundError"):
        await RuntimeSocket(tmp_path / "none").status()
