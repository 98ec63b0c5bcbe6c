"""What the ingress believes stays fresh or is not believed: registry, revocation, keys; and it does not start without."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import pytest_asyncio
from click.testing import CliRunner

from symphony.bao.errors import LoginLeaseEnded
from symphony.ingress.command import ingress
from symphony.ingress.identity import StartRefused
from symphony.ingress.problems import Refusal
from symphony.ingress.registry import RegistryCache
from symphony.ingress.service import start
from symphony.ingress.settings import IngressSettings, InvalidSettings
from symphony.ingress.tls_files import TlsFiles
from symphony.metrics import Metrics
from symphony.trust.jwks import JwksSettings
from tests.ingress_bench import counts, rows
from tests.ingress_trust_stage import TrustStage, trust_stage
from tests.trust_material import p256
from tests.until import until

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[TrustStage]:
    """A database and its surroundings; each test runs its own ingress."""
    async with trust_stage(database_url, tmp_path_factory.mktemp("trust")) as made:
        yield made


async def test_a_revoked_certificate_is_refused_at_the_next_request_of_an_open_connection(stage: TrustStage) -> None:
    client = stage.client("client-r", "ZM-BANK-A")
    await stage.register(client)
    async with stage.serving():
        sender = stage.sender(client)
        wire = await sender.connect()
        assert (await sender.send(over=wire)).status == 202
        await stage.revoke(client)
        attested = await stage.refuses("CERT_REVOKED", 401, sender=sender, over=wire)
        assert attested["cert_sha256"] == client.cert_sha256
        wire.close()


async def test_the_notification_comes_before_the_poll(stage: TrustStage) -> None:
    client = stage.client("client-n", "ZM-BANK-A")
    await stage.register(client)
    cache = RegistryCache(stage.dsn, settings=stage.trust().settings)
    cache._poll_s = 600.0  # what is learnt here was announced
    await cache.open()
    running = asyncio.create_task(cache.run())
    try:
        await asyncio.sleep(0.2)
        await stage.revoke(client)
        await until(lambda: cache.current().certificates[client.cert_sha256].revoked_at is not None)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await cache.close()


async def test_the_cache_finds_its_way_back_and_polls_what_was_not_announced(stage: TrustStage) -> None:
    cache = RegistryCache(stage.dsn, settings=stage.trust(registry_poll_ms=50).settings)
    await cache.open()
    running = asyncio.create_task(cache.run())
    try:
        assert cache._connection is not None
        pid = cache._connection.info.backend_pid
        assert await rows(stage.dsn, "select pg_terminate_backend(%s, 20000)", pid) == [(True,)]
        ended_at = time.monotonic()
        await until(lambda: time.monotonic() - ended_at > cache.age_s)
        assert cache._connection.info.backend_pid != pid
        version = cache.current().state.version
        await rows(stage.dsn, "update ingress.registry_state set version = version + 1")
        await until(lambda: cache.current().state.version == version + 1)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await cache.close()


async def test_a_registry_past_its_age_is_not_believed(stage: TrustStage) -> None:
    clock = [0.0]
    cache = RegistryCache(stage.dsn, settings=stage.trust(registry_max_age_ms=5_000).settings, clock=lambda: clock[0])
    with pytest.raises(Refusal, match="REGISTRY_STALE"):
        cache.current()
    await cache.open()
    try:
        clock[0] = 5.0
        assert cache.current().certificates
        clock[0] = 5.01
        with pytest.raises(Refusal, match="REGISTRY_STALE"):
            cache.current()
    finally:
        await cache.close()


async def test_a_database_that_no_longer_answers_stops_every_request(stage: TrustStage) -> None:
    """E8: the listener's session hangs behind a lock; nothing is accepted on what was known before."""
    async with stage.serving(registry_poll_ms=50, registry_max_age_ms=5_000):
        service = stage.service
        assert service is not None
        async with await psycopg.AsyncConnection.connect(stage.dsn) as blocker:
            await blocker.execute("lock table ingress.registry_state in access exclusive mode")
            await until(lambda: service.not_ready() == "registry stale")
            before = await counts(stage.dsn)
            answer = await stage.sender().send()
            assert (answer.status, answer.reason) == (503, "REGISTRY_STALE")
            assert int(answer.headers["Retry-After"]) >= 1
            assert await counts(stage.dsn) == before
            await blocker.rollback()
        # Not at the first answer, which is as old as the question that waited for it.
        await until(lambda: service.not_ready() is None and stage.registry_age_s < 1)
        await stage.accepts()


async def test_revocations_that_nobody_read_again_stop_every_request(stage: TrustStage) -> None:
    async with stage.serving():
        try:
            await rows(stage.dsn, "update ingress.revocation_sources set checked_at = checked_at - interval '1 day'")
            ended_at = time.monotonic()
            await until(lambda: time.monotonic() - ended_at > stage.registry_age_s)
            attested = await stage.refuses("REVOCATION_STALE", 503)
            assert attested["participant_id"] == "ZM-BANK-A"
            with pytest.raises(StartRefused, match="revoked certificates is not fresh"):
                async with stage.serving():
                    pass
        finally:
            read_at = time.monotonic()
            await stage.read_list()
        await until(lambda: time.monotonic() - read_at > stage.revocation_age_s)
        await stage.accepts()


async def test_an_ended_lease_answers_503_before_any_work(stage: TrustStage) -> None:
    def ended() -> None:
        raise LoginLeaseEnded("over")

    async with stage.serving(check_login=ended):
        before = await counts(stage.dsn)
        answer = await stage.sender().send(wire_token="not looked at")
        assert (answer.status, answer.reason) == (503, "TRUST_LEASE_ENDED")
        assert await counts(stage.dsn) == before


async def test_a_new_issuer_key_is_learnt_and_unknown_ones_fetch_once(stage: TrustStage) -> None:
    stage.key_server.fetches = 0
    async with stage.serving(jwks_cooldown_s=1, jwks_refresh_after_s=300):
        assert stage.key_server.fetches == 1
        await asyncio.sleep(1.1)
        begin = time.monotonic()
        for number in range(20):
            await stage.refuses("TOKEN_KEY_UNKNOWN", 401, token={"header": {"kid": f"issuer-{number + 5}"}})
        cooldowns = int(time.monotonic() - begin) + 1  # one fetch each, however many ask
        assert stage.key_server.fetches <= 2 + cooldowns
        rotated = p256("issuer-2")
        stage.key_server.keys.append(rotated.jwk)
        await asyncio.sleep(1.1)
        await stage.accepts(token={"signer": rotated, "header": {"kid": "issuer-2"}})
        stage.key_server.keys.remove(rotated.jwk)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"jwks_url": "https://127.0.0.1:9/jwks.json"}, "the issuer's keys were not had"),
        ({"jwks_ca_file": None}, "the issuer's keys were not had"),
        ({"dpop_nonce": True, "read_secret": None}, "--dpop-nonce needs 32 secret bytes"),
        (
            {"certificate": TlsFiles(certificate=Path("none"), key=Path("none"), client_ca=Path("none"))},
            "none cannot be read",
        ),
    ],
)
async def test_without_what_it_must_believe_it_does_not_start(
    stage: TrustStage, changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(StartRefused, match=words):
        async with stage.serving(**changes):
            pass


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"origin": "http://pay.example"}, "origin must be an https address"),
        ({"origin": "https://PAY.example"}, "origin is refused"),
        ({"issuer": "http://issuer.example"}, "issuer or audience is refused"),
        ({"jwks_url": "http://issuer.example/jwks"}, "jwks_url or a JWKS age is refused"),
        ({"token_max_lifetime_s": 601}, "token_max_lifetime_s is 601; give a number from 1 to 600"),
        ({"registry_max_age_ms": 100, "registry_poll_ms": 200}, "registry_max_age_ms is 100; it must exceed"),
    ],
)
async def test_settings_that_would_believe_too_much_are_named(
    stage: TrustStage, changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(InvalidSettings, match=words):
        stage.trust(**changes)


async def test_a_development_ingress_does_not_serve_a_database_that_requires_proof(stage: TrustStage) -> None:
    with pytest.raises(StartRefused, match="accepts only requests that prove"):
        await start(stage.dsn, host="127.0.0.1", port=0, settings=IngressSettings(), metrics=Metrics())


async def test_a_zero_trust_ingress_does_not_serve_one_that_does_not(fresh_database: str, tmp_path: Path) -> None:
    async with trust_stage(fresh_database, tmp_path, proof=False) as stage:
        with pytest.raises(StartRefused, match="does not require proof"):
            async with stage.serving():
                pass


@pytest.mark.parametrize("environment", ["production", "test", None])
async def test_dev_is_for_a_development_environment_alone(stage: TrustStage, environment: str | None) -> None:
    """J21: not set means not development."""
    result = await asyncio.to_thread(
        CliRunner().invoke,
        ingress,
        ["--dev", "--database-url", "postgresql://localhost:9/none"],
        env={"SYMPHONY_ENVIRONMENT": environment, "SYMPHONY_DATABASE_URL": None},
    )
    assert result.exit_code == 1
    assert "--dev believes whoever connects, and SYMPHONY_ENVIRONMENT is" in result.output


async def test_keys_of_the_issuer_past_their_age_are_not_believed(stage: TrustStage) -> None:
    clock = [0]
    async with stage.serving(
        jwks_cooldown_s=1, jwks_refresh_after_s=1, jwks_max_stale_s=2, clock=lambda: int(time.time()) + clock[0]
    ):
        stage.key_server.status = 500
        try:
            clock[0] = 5  # still within every window but the keys'
            await stage.refuses("JWKS_STALE", 503)
        finally:
            stage.key_server.status = 200
    assert JwksSettings(url=stage.key_server.url).max_stale_s == 3_600
