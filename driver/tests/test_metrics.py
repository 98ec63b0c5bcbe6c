"""The catalogue is exactly what is exported, and the listener serves it apart from the service."""

from __future__ import annotations

import re
from collections.abc import Iterator

import aiohttp
import pytest
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from symphony.api.ops import HealthSample
from symphony.errors import SymphonyError
from symphony.metrics import BREAKER_CODES, CATALOGUE, Metrics, serve

UNITS = re.compile(r"\((count|seconds|bytes|months|code|Unix time in seconds)\b")


def exported(metrics: Metrics) -> Iterator[Metric]:
    return (family for family in metrics.registry.collect() if not family.name.startswith("process_"))


def catalogue_name(family: Metric) -> str:
    return f"{family.name}_total" if family.type == "counter" else family.name


def test_the_catalogue_is_exactly_what_is_exported() -> None:
    found = {catalogue_name(family): (family.type, family.documentation) for family in exported(Metrics())}
    assert found == {name: (spec.type, spec.help) for name, spec in CATALOGUE.items()}


def test_every_metric_is_an_attribute_or_comes_from_the_database_with_the_catalogued_labels() -> None:
    metrics = Metrics()
    samples = [
        HealthSample(name=name, labels=dict.fromkeys(spec.labels, "x"), value=1.0)
        for name, spec in CATALOGUE.items()
        if not hasattr(metrics, name)
    ]
    assert len(samples) == 15
    assert metrics.update_from_health(samples) == []
    for name, spec in CATALOGUE.items():
        if hasattr(metrics, name) and spec.labels:
            getattr(metrics, name).labels(**dict.fromkeys(spec.labels, "x"))
    for family in exported(metrics):
        assert family.samples, family.name
        for sample in family.samples:
            labels = set(sample.labels) - {"le"}
            assert labels == set(CATALOGUE[catalogue_name(family)].labels), sample.name


def test_every_help_text_names_its_unit() -> None:
    for name, spec in CATALOGUE.items():
        assert UNITS.search(spec.help), name
        if spec.type == "counter":
            assert name.endswith("_total")


def test_database_gauges_are_absent_before_the_first_sample_and_follow_the_last() -> None:
    metrics = Metrics()
    assert metrics.registry.get_sample_value("stuck_dispatching_count") is None
    cases = [HealthSample(name="cases_open", labels={"kind": k}, value=2) for k in ("ECHO", "MANUAL")]
    metrics.update_from_health([*cases, HealthSample(name="stuck_dispatching_count", labels={}, value=7)])
    assert metrics.registry.get_sample_value("stuck_dispatching_count") == 7
    assert metrics.registry.get_sample_value("cases_open", {"kind": "ECHO"}) == 2
    metrics.update_from_health(cases[1:])
    assert metrics.registry.get_sample_value("cases_open", {"kind": "ECHO"}) is None
    assert metrics.registry.get_sample_value("stuck_dispatching_count") is None


def test_samples_outside_the_catalogue_are_named_and_not_exported() -> None:
    metrics = Metrics()
    refused = metrics.update_from_health([
        HealthSample(name="no_such_metric", labels={}, value=1),
        HealthSample(name="cases_open", labels={"account": "0971"}, value=1),
        HealthSample(name="breaker_state", labels={}, value=1),
    ])  # fmt: skip
    assert refused == ["no_such_metric", "cases_open", "breaker_state"]
    assert metrics.registry.get_sample_value("breaker_state") == 0


def test_breaker_states() -> None:
    metrics = Metrics()
    for state, code in BREAKER_CODES.items():
        metrics.set_breaker(state)
        assert metrics.registry.get_sample_value("breaker_state") == code
    with pytest.raises(KeyError):
        metrics.set_breaker("AJAR")


async def test_the_listener_serves_metrics_health_and_readiness() -> None:
    metrics = Metrics()
    metrics.attempts_total.labels(state="DISPATCHED", rail="sandbox").inc(3)
    not_ready: list[str] = ["no policy is active"]
    listener = await serve(metrics, "127.0.0.1", 0, ready=lambda: not_ready[0] if not_ready else None)
    base = f"http://127.0.0.1:{listener.port}"
    try:
        async with aiohttp.ClientSession() as session:
            async with session.get(f"{base}/metrics") as answer:
                families = {f.name: f for f in text_string_to_metric_families(await answer.text())}
            assert [s.value for s in families["attempts"].samples] == [3.0]
            assert not [name for name in families if name.endswith("_created")]
            async with session.get(f"{base}/healthz") as answer:
                assert answer.status == 200
            async with session.get(f"{base}/readyz") as answer:
                assert (answer.status, await answer.text()) == (503, "no policy is active\n")
            not_ready.clear()
            async with session.get(f"{base}/readyz") as answer:
                assert answer.status == 200
            with pytest.raises(SymphonyError, match=f"127.0.0.1:{listener.port}.*in use.*--metrics-port"):
                await serve(metrics, "127.0.0.1", listener.port)
    finally:
        await listener.aclose()
