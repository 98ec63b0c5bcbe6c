"""`symphony bench http`: single-instruction POSTs through the ingress, beside an HTTP server that does nothing."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import statistics
import subprocess  # ingress as the separate process that it is in service
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import uvloop
from aiohttp import web

from symphony import api
from symphony.bench import load

_BODY = (
    '{"instruction_id":"%s","rail":"bench","amount":"125.50","currency":"ZMW","end_to_end_id":"E2E-BENCH","purpose":"SALA",'
    '"debtor":{"name":"Fictional Trading Company Limited","account":"9988776655443"},'
    '"creditor":{"name":"Fictional Beneficiary Number One","account":"0001234567890"},'
    '"remittance":"Invoice 2026/11/000123"}'
)
CONNECTIONS = 64


@dataclass(frozen=True, slots=True)
class Load:
    """What the client process saw: answers, seconds, latencies in milliseconds."""

    answered: int
    refused: int
    seconds: float
    latency_ms: list[float]


async def _post(url: str, *, seconds: float, rate: float | None) -> Load:
    """Closed loop over CONNECTIONS connections, or an open loop of `rate` requests a second."""
    latency: list[float] = []
    refused = 0
    started = time.perf_counter()
    connector = aiohttp.TCPConnector(limit=CONNECTIONS if rate is None else 0)
    headers = {"Content-Type": "application/json"}

    async with aiohttp.ClientSession(connector=connector) as session:

        async def one(number: int) -> None:
            nonlocal refused
            participant = f"ZM-BENCH-{number % load.PARTICIPANTS}"
            key = str(uuid.uuid4())
            before = time.perf_counter()
            async with session.post(
                url,
                data=(_BODY % key).encode(),
                headers=headers | {"Symphony-Participant": participant, "Idempotency-Key": key},
            ) as answer:
                await answer.read()
            latency.append((time.perf_counter() - before) * 1000)
            refused += answer.status != 202

        async def loop(first: int) -> None:
            number = first
            while time.perf_counter() - started < seconds:
                await one(number)
                number += 1

        async with asyncio.TaskGroup() as tasks:
            if rate is None:
                for first in range(CONNECTIONS):
                    tasks.create_task(loop(first))
            else:
                for number in range(int(rate * seconds)):
                    tasks.create_task(one(number))
                    await asyncio.sleep(max(0.0, started + (number + 1) / rate - time.perf_counter()))
    return Load(answered=len(latency), refused=refused, seconds=time.perf_counter() - started, latency_ms=latency)


def _client(url: str, seconds: float, rate: float | None) -> Load:
    return uvloop.run(_post(url, seconds=seconds, rate=rate))


def _idle_server(port_at: Any) -> None:
    async def serve() -> None:
        async def answer(request: web.Request) -> web.Response:
            await request.read()
            return web.Response(status=202, body=b"x" * 300, content_type="application/json")

        application = web.Application()
        application.router.add_post("/v1/instructions", answer)
        runner = web.AppRunner(application)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port_at.value = runner.addresses[0][1]
        await asyncio.sleep(3600)

    uvloop.run(serve())


@contextmanager
def _idle() -> Iterator[str]:
    """The machine's own limit: the same HTTP server and client with nothing behind."""
    context = multiprocessing.get_context("spawn")
    port_at = context.Value("i", 0)
    process = context.Process(target=_idle_server, args=(port_at,), daemon=True)
    process.start()
    try:
        while port_at.value == 0:
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port_at.value}/v1/instructions"
    finally:
        process.terminate()
        process.join()


@contextmanager
def _ingress(dsn: str) -> Iterator[tuple[str, int]]:
    """The real ingress as a process of its own; yields its URL and pid."""
    argv = [sys.executable, "-m", "symphony.cli", "ingress", "--dev", "--port", "0", "--metrics-port", "0"]
    environment = os.environ | {"SYMPHONY_DATABASE_URL": dsn}
    process = subprocess.Popen(argv, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        if process.stdout is None or not (line := process.stdout.readline()):
            raise RuntimeError("the ingress did not start: run `symphony ingress --dev` to see why")
        ready = json.loads(line)
        yield f"http://127.0.0.1:{ready['port']}/v1/instructions", process.pid
    finally:
        process.terminate()
        process.wait(timeout=20)
        if process.stdout is not None:
            process.stdout.close()


def _cpu_seconds(pid: int) -> float:
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _summary(seen: Load) -> dict[str, float]:
    ordered = sorted(seen.latency_ms)
    return {
        "requests_per_s": round(seen.answered / seen.seconds, 1),
        "refused": seen.refused,
        "p50_ms": round(statistics.median(ordered), 2),
        "p99_ms": round(ordered[int(len(ordered) * 0.99)], 2),
    }


async def prepare(dsn: str) -> None:
    """A policy for the bench's participants on a migrated database."""
    async with await api.connect(dsn, application_name="bench prepare") as connection:
        await api.core.establish_cell(connection, cell_id="bench", epoch=1)
        checksum = await api.policy.propose(connection, document=load.policy_document(), operator="bench")
        await api.policy.activate(connection, version=1, checksum=checksum, operator="bench")


def run(dsn: str, *, seconds: float, say: Callable[[str], None]) -> dict[str, Any]:
    """Measure the limit, saturation and half load; ratios are against the limit of this run."""
    report: dict[str, Any] = {"connections": CONNECTIONS, "seconds_per_phase": seconds, "authentication": "dev header"}
    with ProcessPoolExecutor(max_workers=1, mp_context=multiprocessing.get_context("spawn")) as pool:
        with _idle() as url:
            say("limit: the same server and client, nothing behind")
            report["machine_limit"] = _summary(pool.submit(_client, url, seconds, None).result())
        with _ingress(dsn) as (url, pid):
            say("saturation: closed loop")
            pool.submit(_client, url, 2.0, None).result()
            cpu = _cpu_seconds(pid)
            full = pool.submit(_client, url, seconds, None).result()
            report["saturation"] = _summary(full)
            ingress_us = (_cpu_seconds(pid) - cpu) / full.answered * 1e6
            report["saturation"]["ingress_cpu_us_per_request"] = round(ingress_us, 1)
            report["saturation"]["requests_per_s_per_ingress_core"] = round(1e6 / ingress_us, 1)
            say("half load: open loop")
            rate = report["saturation"]["requests_per_s"] / 2
            report["half_load"] = _summary(pool.submit(_client, url, seconds, rate).result())
    limit = report["machine_limit"]["requests_per_s"]
    report["saturation"]["ratio_to_machine_limit"] = round(report["saturation"]["requests_per_s"] / limit, 3)
    return report
