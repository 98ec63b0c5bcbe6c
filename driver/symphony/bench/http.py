"""`symphony bench http`: single-instruction POSTs through the ingress, beside a server that does nothing behind TLS."""

from __future__ import annotations

import asyncio
import multiprocessing
import ssl
import statistics
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import uvloop
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import Encoding

from symphony import api
from symphony.bench import load
from symphony.bench.checks import Specimen, microseconds
from symphony.bench.http_load import PATH, Load, Target, drive
from symphony.bench.http_stage import BenchStage, bench_stage
from symphony.client import Credentials, directory
from symphony.client.proofs import public_jwk
from symphony.demo.trust import AUDIENCE, Trust
from symphony.ingress.tls import TlsMaterial, server_context
from symphony.trust.client_certificate import IssuingAuthority
from symphony.trust.jwks import keys_of
from symphony.trust.signature_keys import public_signature_key

CONNECTIONS: Final = load.PARTICIPANTS
FLOOR_PER_INGRESS_CORE: Final = 1_200
"""Requests a second and ingress core with everything on: DESIGN section 11."""
FLOOR_HALF_LOAD_P99_MS: Final = 50
_WARM_UP_S: Final = 2.0


async def prepare(dsn: str) -> None:
    """A cell and a policy for the bench's participants on a migrated database."""
    connection = await api.connect(dsn, application_name="bench prepare")
    async with connection:
        await api.core.establish_cell(connection, cell_id="bench", epoch=1)
        checksum = await api.policy.propose(connection, document=load.policy_document(), operator="bench")
        await api.policy.activate(connection, version=1, checksum=checksum, operator="bench")


def run(dsn: str, *, seconds: float, dev: bool, say: Callable[[str], None]) -> dict[str, Any]:
    """Measure the limit, saturation and half load on a prepared database; ratios are against the limit of this run.

    Args:
        dev: the development header over plain HTTP instead of everything on.
    """
    said = "development header" if dev else "mTLS, DPoP-bound tokens, signed bodies, leased logins"
    report: dict[str, Any] = {"connections": CONNECTIONS, "seconds_per_phase": seconds, "authentication": said}
    with (
        ProcessPoolExecutor(max_workers=1, mp_context=multiprocessing.get_context("spawn")) as pool,
        bench_stage(dsn, dev=dev, say=say) as stage,
    ):

        def driven(target: Target, for_s: float, rate: float | None = None) -> Load:
            return pool.submit(drive, target, for_s, rate, CONNECTIONS).result()

        with _idle(stage) as url:
            say("limit: the same TLS server and client, nothing behind")
            report["machine_limit"] = _summary(driven(replace(stage.target, url=url, pid=None), seconds))
        say("saturation: closed loop")
        driven(stage.target, _WARM_UP_S)
        full = driven(stage.target, seconds)
        report["saturation"] = _summary(full) | _ingress_cpu(full)
        say("half load: open loop")
        half = driven(stage.target, seconds, report["saturation"]["requests_per_s"] / 2)
        report["half_load"] = _summary(half) | _ingress_cpu(half)
        if not dev:
            say("each check alone")
            report["microseconds_per_check"] = microseconds(asyncio.run(_specimen(stage)))
    report["saturation"]["ratio_to_machine_limit"] = round(
        report["saturation"]["requests_per_s"] / report["machine_limit"]["requests_per_s"], 3
    )
    return report if dev else report | {"floor": _floor(report)}


def _floor(report: dict[str, Any]) -> dict[str, Any]:
    per_core, p99 = report["saturation"]["requests_per_s_per_ingress_core"], report["half_load"]["p99_ms"]
    return {
        "requests_per_s_per_ingress_core": FLOOR_PER_INGRESS_CORE,
        "half_load_p99_ms": FLOOR_HALF_LOAD_P99_MS,
        "held": per_core >= FLOOR_PER_INGRESS_CORE and p99 <= FLOOR_HALF_LOAD_P99_MS,
    }


def _summary(seen: Load) -> dict[str, float]:
    ordered = sorted(seen.latency_ms)
    return {
        "requests_per_s": round(seen.answered / seen.seconds, 1),
        "refused": seen.refused,
        "p50_ms": round(statistics.median(ordered), 2),
        "p99_ms": round(ordered[int(len(ordered) * 0.99)], 2),
        "client_cpu_us_per_request": round(seen.client_cpu_seconds / seen.answered * 1e6, 1),
    }


def _ingress_cpu(seen: Load) -> dict[str, float]:
    us = seen.server_cpu_seconds / seen.answered * 1e6
    return {"ingress_cpu_us_per_request": round(us, 1), "requests_per_s_per_ingress_core": round(1e6 / us, 1)}


@dataclass(frozen=True, slots=True)
class _IdleFiles:
    """The PEM files of the idle server's TLS; None serves plain HTTP."""

    certificate: Path
    key: Path
    client_ca: Path


def _idle_server(port_at: Any, files: _IdleFiles | None) -> None:
    async def answer(request: web.BaseRequest) -> web.Response:
        await request.read()
        return web.Response(status=202, body=b"x" * 300, content_type="application/json")

    async def serve() -> None:
        context = None
        if files is not None:
            certificate, key, client_ca = (
                path.read_bytes() for path in (files.certificate, files.key, files.client_ca)
            )
            context = server_context(TlsMaterial(certificate_pem=certificate, key_pem=key, client_ca_pem=client_ca))
        server = await asyncio.get_running_loop().create_server(web.Server(answer), "127.0.0.1", 0, ssl=context)
        port_at.value = server.sockets[0].getsockname()[1]
        await server.serve_forever()

    uvloop.run(serve())


@contextmanager
def _idle(stage: BenchStage) -> Iterator[str]:
    """The machine's own limit: the same HTTP server, TLS and client, with nothing behind; yields its URL."""
    context = multiprocessing.get_context("spawn")
    port_at = context.Value("i", 0)
    trust = stage.trust
    files = None if trust is None else _IdleFiles(trust.issuer_certificate, trust.issuer_key, trust.client_ca)
    process = context.Process(target=_idle_server, args=(port_at, files), daemon=True)
    process.start()
    try:
        while port_at.value == 0:
            if not process.is_alive():
                raise RuntimeError("the idle server did not start")
            time.sleep(0.05)
        yield f"{'http' if files is None else 'https'}://127.0.0.1:{port_at.value}"
    finally:
        process.terminate()
        process.join()


async def _specimen(stage: BenchStage) -> Specimen:
    """One request of the bench's first client, as the ingress receives it."""
    trust, path, body = stage.trust, stage.target.credentials[0], b"x" * 400
    if trust is None:
        raise ValueError("without trust there is nothing to check")
    found = directory.read(path)
    if not isinstance(found.signature_key, EllipticCurvePrivateKey):
        raise TypeError("the bench's clients sign with P-256")
    credentials = Credentials.read(path, origin=stage.target.url)
    try:
        headers = await credentials.headers("POST", PATH, body, "specimen")
    finally:
        await credentials.close()
    return Specimen(
        certificate=_der(path / directory.CERTIFICATE),
        authority=IssuingAuthority(_der(trust.client_ca)),
        headers=headers,
        target=PATH,
        body=body,
        origin=stage.target.url,
        issuer=trust.issuer,
        audience=AUDIENCE,
        token_keys=keys_of(await asyncio.to_thread(_key_set, trust), max_keys=4),
        signature_key=public_signature_key(
            public_jwk(found.signature_key),
            keyid=found.signature_key_id,
            client_id=found.client_id,
        ),
        now=int(time.time()),
    )


def _key_set(trust: Trust) -> bytes:
    tls = ssl.create_default_context(cafile=trust.server_ca)
    with urllib.request.urlopen(trust.jwks_url, context=tls, timeout=10) as answer:  # noqa: S310 - ours, on loopback
        return bytes(answer.read())


def _der(path: Path) -> bytes:
    return x509.load_pem_x509_certificate(path.read_bytes()).public_bytes(Encoding.DER)
