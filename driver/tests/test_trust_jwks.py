"""The issuer's keys over a real server on loopback: rows J4, J5, J6, J19 and J20."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from symphony.trust.jwks import Jwks, JwksSettings, keys_of
from symphony.trust.refusal import Reason, TrustRefused
from tests.trust_material import NOW, p256, refused, rsa_jwk, rsa_key, vectors

OLD, NEW = p256("old"), p256("new")
RSA = rsa_jwk(rsa_key(), "rsa")


def document(*entries: object) -> bytes:
    return json.dumps({"keys": entries}).encode()


class Issuer:
    """A real server whose answer a test sets, and a clock."""

    def __init__(self) -> None:
        self.now = NOW
        self.fetches = 0
        self.answer: Callable[[web.Request], Awaitable[web.StreamResponse]] = self.gives(document(OLD.jwk))

    @staticmethod
    def gives(body: bytes, **options: Any) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def answer(_: web.Request) -> web.StreamResponse:
            return web.Response(body=body, **({"content_type": "application/json"} | options))

        return answer

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.fetches += 1
        return await self.answer(request)


@asynccontextmanager
async def serving(**settings: Any) -> AsyncIterator[tuple[Issuer, Jwks]]:
    """An issuer and a reader of its keys."""
    issuer = Issuer()
    app = web.Application()
    app.router.add_get("/{path:.*}", issuer.handle)
    async with TestServer(app, host="127.0.0.1") as server, aiohttp.ClientSession() as session:
        chosen = JwksSettings(url=str(server.make_url("/jwks")), dev=True, **settings)
        yield issuer, Jwks(settings=chosen, session=session, clock=lambda: issuer.now)


async def refusal_of(awaitable: Awaitable[object], reason: Reason) -> None:
    with pytest.raises(TrustRefused) as caught:
        await awaitable
    assert caught.value.reason is reason, caught.value


async def test_a_key_is_fetched_once() -> None:
    async with serving() as (issuer, jwks):
        assert jwks.age_s is None
        assert (await jwks.key("old")).alg == "ES256"
        for _ in range(50):
            await jwks.key("old")
        assert issuer.fetches == 1
        issuer.now += 7
        assert jwks.age_s == 7


async def test_a_flood_of_unknown_kids_is_one_fetch() -> None:
    """J20: 1000 random kids, at once and one after another, within one cooldown."""
    async with serving() as (issuer, jwks):
        await jwks.refresh()
        issuer.now += 30
        answers = await asyncio.gather(*(jwks.key(f"kid-{n}") for n in range(500)), return_exceptions=True)
        for n in range(500):
            await refusal_of(jwks.key(f"other-{n}"), Reason.TOKEN_KEY_UNKNOWN)
        assert all(isinstance(one, TrustRefused) and one.reason is Reason.TOKEN_KEY_UNKNOWN for one in answers)
        assert issuer.fetches == 2
        assert await jwks.key("old")


async def test_a_flood_before_the_first_fetch_is_one_fetch() -> None:
    async with serving() as (issuer, jwks):
        await asyncio.gather(*(jwks.key(f"kid-{n}") for n in range(500)), return_exceptions=True)
        assert issuer.fetches == 1


async def test_rotation() -> None:
    """J20: the new kid holds after the cooldown, the withdrawn one is refused once the set is fetched anew."""
    async with serving() as (issuer, jwks):
        await jwks.key("old")
        issuer.answer = issuer.gives(document(OLD.jwk, NEW.jwk))
        issuer.now += 29
        await refusal_of(jwks.key("new"), Reason.TOKEN_KEY_UNKNOWN)
        issuer.now += 1
        assert await jwks.key("new")
        issuer.answer = issuer.gives(document(NEW.jwk))
        issuer.now += 299
        assert await jwks.key("old")
        issuer.now += 1
        await refusal_of(jwks.key("old"), Reason.TOKEN_KEY_UNKNOWN)
        assert await jwks.key("new")
        assert issuer.fetches == 3


async def test_an_outage_is_survived_until_the_keys_are_too_old() -> None:
    """J19: the last good set holds up to max_stale_s, then every token is refused; the issuer's return ends it."""
    async with serving() as (issuer, jwks):
        await jwks.key("old")
        issuer.answer = issuer.gives(b"down", status=503)
        issuer.now += 3_599
        assert await jwks.key("old")
        issuer.now += 1
        await refusal_of(jwks.key("old"), Reason.JWKS_STALE)
        issuer.answer = issuer.gives(document(OLD.jwk))
        issuer.now += 29
        assert await jwks.key("old")
        assert jwks.age_s == 0


async def test_a_clock_that_steps_back_makes_keys_old() -> None:
    async with serving() as (issuer, jwks):
        await jwks.key("old")
        issuer.answer = issuer.gives(b"down", status=503)
        issuer.now -= 3_600
        await refusal_of(jwks.key("old"), Reason.JWKS_STALE)


async def test_who_leaves_early_takes_no_fetch_away() -> None:
    """A caller that is cancelled during the fetch does not end it for the others."""
    async with serving() as (issuer, jwks):
        asked, release = asyncio.Event(), asyncio.Event()

        async def slow(_: web.Request) -> web.StreamResponse:
            asked.set()
            await release.wait()
            return web.Response(body=document(OLD.jwk), content_type="application/json")

        issuer.answer = slow
        first = asyncio.create_task(jwks.key("old"))
        await asked.wait()
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        second = asyncio.create_task(jwks.key("old"))
        await asyncio.sleep(0)
        release.set()
        assert (await second).kid == "old"
        assert issuer.fetches == 1


SECRET = {"kty": "oct", "kid": "s", "k": "AQAB"}
ANSWERS: dict[str, tuple[bytes, dict[str, Any], Reason]] = {
    "J19 HTML": (b"<html>", {"content_type": "text/html"}, Reason.JWKS_REFUSED),
    "J19 HTML called JSON": (b"<html>", {}, Reason.JWKS_REFUSED),
    "J19 JSON called HTML": (document(OLD.jwk), {"content_type": "text/html"}, Reason.JWKS_REFUSED),
    "J19 10 MB": (document(OLD.jwk) + b" " * 10_000_000, {}, Reason.JWKS_REFUSED),
    "J19 one byte too many": (document(OLD.jwk).ljust(65_537), {}, Reason.JWKS_REFUSED),
    "J19 compressed": (gzip.compress(document(OLD.jwk)), {"headers": {"Content-Encoding": "gzip"}}, Reason.JWKS_REFUSED),
    "J19 oct": (document(OLD.jwk, SECRET), {}, Reason.JWKS_REFUSED),
    "J19 private d": (document(OLD.jwk, {**NEW.jwk, "d": "AQAB"}), {}, Reason.JWKS_REFUSED),
    "J19 private RSA": (document(OLD.jwk, {**RSA, "p": "AQAB"}), {}, Reason.JWKS_REFUSED),
    "J19 500": (document(OLD.jwk), {"status": 500}, Reason.JWKS_UNAVAILABLE),
    "J19 404": (b"", {"status": 404}, Reason.JWKS_UNAVAILABLE),
    "J19 204": (b"", {"status": 204}, Reason.JWKS_UNAVAILABLE),
    "J19 206": (document(OLD.jwk), {"status": 206}, Reason.JWKS_UNAVAILABLE),
    "J19 no keys": (document(), {}, Reason.JWKS_REFUSED),
    "J19 array": (b"[]", {}, Reason.JWKS_REFUSED),
    "J19 keys an object": (b'{"keys":{}}', {}, Reason.JWKS_REFUSED),
    "J19 keys of text": (b'{"keys":["a"]}', {}, Reason.JWKS_REFUSED),
    "J19 keys twice": (b'{"keys":[],"keys":[]}', {}, Reason.JWKS_REFUSED),
    "J19 21 keys": (document(*({**OLD.jwk, "kid": f"k{n}"} for n in range(21))), {}, Reason.JWKS_REFUSED),
    "J6 kid twice": (document(OLD.jwk, {**NEW.jwk, "kid": "old"}), {}, Reason.JWKS_REFUSED),
    "J6 kid twice, one of another use": (document(OLD.jwk, {**RSA, "kid": "old", "use": "enc"}), {}, Reason.JWKS_REFUSED),
    "J4 only RSA 1024": (document(rsa_jwk(rsa_key(1_024), "old")), {}, Reason.JWKS_REFUSED),
    "J5 only use enc": (document({**OLD.jwk, "use": "enc"}), {}, Reason.JWKS_REFUSED),
    "J2 only RS256": (document({**RSA, "alg": "RS256"}), {}, Reason.JWKS_REFUSED),
}  # fmt: skip


@pytest.mark.parametrize("row", ANSWERS)
async def test_another_answer_is_refused(row: str) -> None:
    """J19: before the first good set nothing is believed; after it, a bad answer takes nothing away and adds nothing."""
    body, options, reason = ANSWERS[row]
    async with serving() as (issuer, jwks):
        issuer.answer = issuer.gives(body, **options)
        await refusal_of(jwks.refresh(), reason)
        await refusal_of(jwks.key("old"), reason)
        issuer.answer = issuer.gives(document(NEW.jwk))
        await jwks.refresh()
        issuer.answer = issuer.gives(body, **options)
        await refusal_of(jwks.refresh(), reason)
        assert await jwks.key("new")
        await refusal_of(jwks.key("old"), Reason.TOKEN_KEY_UNKNOWN)


@pytest.mark.parametrize("location", ["http://127.0.0.1:9/jwks", "https://evil.example/", "/other", "//evil/"])
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_no_redirect_is_followed(status: int, location: str) -> None:
    """J19."""
    async with serving() as (issuer, jwks):
        issuer.answer = issuer.gives(document(OLD.jwk), status=status, headers={"Location": location})
        await refusal_of(jwks.refresh(), Reason.JWKS_UNAVAILABLE)
        assert issuer.fetches == 1


async def test_a_slow_body_and_a_dead_server_end_in_time() -> None:
    """J19: the time-out is for the whole fetch, however many bytes drip in."""
    async with serving(timeout_s=0.2) as (issuer, jwks):

        async def drip(request: web.Request) -> web.StreamResponse:
            answer = web.StreamResponse(headers={"Content-Type": "application/json"})
            await answer.prepare(request)
            for _ in range(1_000):
                await answer.write(b" ")
                await asyncio.sleep(0.05)
            return answer

        issuer.answer = drip
        async with asyncio.timeout(20):
            await refusal_of(jwks.refresh(), Reason.JWKS_UNAVAILABLE)
        async with aiohttp.ClientSession() as session:
            dead = Jwks(
                settings=JwksSettings(url="http://127.0.0.1:9/", dev=True, timeout_s=0.5),
                session=session,
                clock=lambda: NOW,
            )
            await refusal_of(dead.key("old"), Reason.JWKS_UNAVAILABLE)


async def test_a_certificate_nobody_vouches_for_is_no_https() -> None:
    """J19: https to a server that speaks plain HTTP fails closed."""
    async with serving() as (issuer, _), aiohttp.ClientSession() as session:
        app = web.Application()
        app.router.add_get("/jwks", issuer.handle)
        async with TestServer(app, host="127.0.0.1") as server:
            url = str(server.make_url("/jwks")).replace("http:", "https:")
            jwks = Jwks(settings=JwksSettings(url=url), session=session, clock=lambda: NOW)
            await refusal_of(jwks.refresh(), Reason.JWKS_UNAVAILABLE)
            assert issuer.fetches == 0


def test_usable_keys_stand_beside_others() -> None:
    """RFC 7517 5: keys for other uses and algorithms are left out, the rest holds."""
    others = [
        {**RSA, "kid": "enc", "use": "enc"}, {**RSA, "kid": "rs", "alg": "RS256"}, {"kty": "new", "kid": "n"}, rsa_jwk(rsa_key(1_024), "small"),
        {**NEW.jwk, "kid": "ops", "key_ops": ["sign"]}, {**NEW.jwk, "kid": "path/"}, {k: v for k, v in NEW.jwk.items() if k != "kid"},
    ]  # fmt: skip
    assert set(keys_of(document(*others, OLD.jwk, RSA), max_keys=20)) == {"old", "rsa"}


async def test_a_set_of_exactly_the_limits_holds() -> None:
    """J19: 20 keys, and 65,536 bytes."""
    async with serving() as (issuer, jwks):
        twenty = document(OLD.jwk, *({**NEW.jwk, "kid": f"k{n}"} for n in range(19)))
        issuer.answer = issuer.gives(twenty.ljust(65_536))
        await jwks.refresh()
        assert await jwks.key("k18")


def test_published_keys_are_refused() -> None:
    """J21: a set with an example key of a standard is refused whole."""
    for jwk in (vectors("rfc9449-figures.json")["jwk"], vectors("rfc7638-thumbprint.json")["cases"][1]["jwk"]):
        entry = {**jwk, "kid": "x"}
        refused(Reason.JWKS_REFUSED, lambda entry=entry: keys_of(document(OLD.jwk, entry), max_keys=20))  # type: ignore[misc]


@pytest.mark.parametrize(
    "settings",
    [
        {"url": "http://issuer.example/jwks"},
        {"url": "http://127.0.0.1/jwks"},
        {"url": "file:///etc/passwd", "dev": True},
        {"url": "ftp://issuer.example", "dev": True},
        {"url": "issuer.example/jwks"},
        {"url": "https:///jwks"},
        {"url": "https://user:secret@issuer.example/jwks"},
        {"url": "https://issuer.example/jwks#part"},
        {"url": ""},
        {"url": "https://issuer.example/jwks", "max_stale_s": 10},
        {"url": "https://issuer.example/jwks", "cooldown_s": 0},
    ],
    ids=str,
)
def test_settings_that_would_believe_too_much(settings: dict[str, Any]) -> None:
    """J19, J21."""
    refusal = refused(Reason.TRUST_CONFIGURATION_REFUSED, lambda: JwksSettings(**settings))
    assert "secret" not in str(refusal)
