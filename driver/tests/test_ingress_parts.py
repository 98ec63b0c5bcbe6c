"""The small parts of the ingress: token buckets, the waker, settings, identity, problems."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import pytest

from symphony.ingress import openapi
from symphony.ingress.buckets import TokenBuckets
from symphony.ingress.identity import StartRefused, development_identifier
from symphony.ingress.problems import Problem, challenge
from symphony.ingress.reasons import REASONS, reason_for
from symphony.ingress.settings import IngressSettings, InvalidSettings
from symphony.ingress.visit import Visit, item_key
from symphony.ingress.waker import Waker


class Clock:
    """A clock that a test moves."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_bucket_gives_its_burst_and_then_its_rate() -> None:
    clock = Clock()
    buckets = TokenBuckets(rate_per_s=20.0, burst=100.0, clock=clock)
    assert sum(buckets.take("A") for _ in range(500)) == 100
    assert buckets.take("B"), "another participant is not affected"
    clock.now += 1.0
    assert sum(buckets.take("A") for _ in range(500)) == 20


def test_invented_names_share_one_bound() -> None:
    buckets = TokenBuckets(rate_per_s=20.0, burst=100.0, max_names=50, clock=Clock())
    assert sum(buckets.take(f"N{n}") for n in range(10_000)) == 1_000


def test_charges_make_a_debt_of_at_most_one_burst() -> None:
    clock = Clock()
    buckets = TokenBuckets(rate_per_s=10.0, burst=20.0, clock=clock)
    assert buckets.wait_s("A") == 0.0
    for _ in range(1_000):
        buckets.charge("A")
    assert buckets.wait_s("A") == pytest.approx(2.1)
    clock.now += 2.2
    assert buckets.wait_s("A") == 0.0


class TimelessLoop(asyncio.SelectorEventLoop):
    """A loop whose time passes by being waited for, and by nothing else."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        selector: Any = self._selector  # type: ignore[attr-defined]
        select = selector.select

        def jump(timeout: float | None = None) -> Any:
            self.now += timeout or 0.0
            return select(0)

        selector.select = jump

    def time(self) -> float:
        return self.now


def test_the_waker_sends_at_once_then_debounces_and_never_loses_the_last() -> None:
    with asyncio.Runner(loop_factory=TimelessLoop) as runner:
        runner.run(_debounced())


async def _debounced() -> None:
    loop = asyncio.get_running_loop()
    sent: list[float] = []
    last_ask = 0.0

    async def wake() -> None:
        sent.append(loop.time())

    waker = Waker(wake, interval_s=0.02)
    started = loop.time()
    while loop.time() - started < 0.11:
        waker.ask()
        last_ask = loop.time()
        await asyncio.sleep(0.001)
    await waker.close()
    assert sent[0] == started
    assert 6 <= len(sent) <= 7
    assert sent[-1] > last_ask
    assert min(b - a for a, b in itertools.pairwise(sent)) >= 0.018


async def test_a_failed_wake_up_is_counted_and_the_next_one_is_sent() -> None:
    failures: list[Exception] = []
    calls = 0

    async def wake() -> None:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise OSError("gone")

    waker = Waker(wake, interval_s=0.0, on_failure=failures.append)
    waker.ask()
    await waker.close()
    waker.ask()
    await waker.close()
    assert (calls, len(failures)) == (2, 1)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("max_batch", 501, "max_batch is 501; give a number from 1 to 500"),
        ("max_flush_ms", -1, "max_flush_ms is -1"),
        ("max_body_bytes", True, "max_body_bytes is True"),
        ("pool_size", 2, "pool_size is 2; it must exceed parallel_flushes"),
        ("flush_timeout_ms", 11_000, "flush_timeout_ms is 11000; it must exceed transaction_timeout_ms"),
    ],
)
def test_a_setting_out_of_range_is_named(name: str, value: object, words: str) -> None:
    with pytest.raises(InvalidSettings, match=words):
        IngressSettings(**{name: value})  # type: ignore[arg-type]


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "localhost", "::", "example.org"])  # noqa: S104
def test_dev_listens_only_on_a_literal_loopback_address(host: str) -> None:
    with pytest.raises(StartRefused, match="loopback"):
        development_identifier(host=host)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1"])
def test_dev_on_loopback_is_allowed(host: str) -> None:
    assert development_identifier(host=host)


def test_derived_item_keys_always_fit() -> None:
    assert item_key("run-1", "INV-1", None) == "run-1/INV-1"
    assert item_key("run-1", "INV-1", "own") == "own"
    long = item_key("k" * 40, "i" * 40, None)
    assert len(long) == 64
    assert set(long) <= set("0123456789abcdef")


def test_every_problem_says_what_to_do_and_unknown_reasons_are_refusals() -> None:
    correlation_id = Visit().correlation_id
    for code, reason in REASONS.items():
        document = Problem(reason_code=code, correlation_id=correlation_id).document()
        assert document["status"] == reason.status
        assert str(document["detail"]).endswith(f"; next: {reason.next_action}")
        assert document["type"] == "urn:symphony:problem:" + code.lower().replace("_", "-")
    assert reason_for("NEVER_HEARD_OF").status == 422
    assert reason_for("CELL_NOT_HOME").status == 421


@pytest.mark.parametrize(
    ("reason_code", "said"),
    [
        ("AUTHORIZATION_MISSING", 'Bearer, DPoP algs="ES256 EdDSA PS256"'),
        ("TOKEN_EXPIRED", 'Bearer error="invalid_token", DPoP algs="ES256 EdDSA PS256", error="invalid_token"'),
        ("TOKEN_REPLAYED", 'Bearer error="invalid_token", DPoP algs="ES256 EdDSA PS256", error="invalid_token"'),
        ("DPOP_REPLAYED", 'DPoP algs="ES256 EdDSA PS256", error="invalid_dpop_proof"'),
        ("DPOP_NONCE_REQUIRED", 'DPoP algs="ES256 EdDSA PS256", error="use_dpop_nonce"'),
        ("IDENTITY_MISSING", "Symphony-Participant"),
        ("DIGEST_MISSING", None),
        ("JSON_INVALID", None),
    ],
)
def test_what_the_client_is_challenged_with(reason_code: str, said: str | None) -> None:
    """RFC 6750 3, RFC 9449 7.1: no error where no credentials came."""
    assert challenge(reason_code) == said


def test_the_checked_in_openapi_document_is_the_one_served() -> None:
    path = openapi.__file__.replace("openapi.py", "openapi.json")
    with open(path, encoding="ascii") as file:
        assert file.read() == openapi.document_text(), "openapi.json is stale; run: python -m symphony.ingress.openapi"
