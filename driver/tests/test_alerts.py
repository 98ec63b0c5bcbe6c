"""The alert rules use only metrics, labels and label values that exist, and tell people what to do."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml

from symphony.ingress.trust_settings import TrustSettings
from symphony.metrics import CATALOGUE

REPOSITORY = Path(__file__).resolve().parents[2]
RULES = REPOSITORY / "scripts" / "alerts.yml"
REASONS = REPOSITORY / "sql" / "migrations" / "0002_core.sql"

FUNCTIONS = {"max", "min", "sum", "rate", "increase", "histogram_quantile", "clamp_min", "time", "absent"}
WORDS = {"by", "without", "and", "or", "unless", "bool", "on", "ignoring"}
TARGET_LABELS = {"instance", "job"}  # set by Prometheus itself
OUTCOMES = {
    "DISPATCHED",
    "FAILED",
    "VOIDED",
    "PENDING_MANUAL",
    "RETRYABLE",
    "ENQUIRE",
    "RELEASED",
    "LEASE_LOST",
}
POINTS = {"ingest", "claim", "completion", "repair", "maintain"}
ALIAS_CASES = {"PROXY_UNRESOLVED", "PROXY_TARGET_CHANGED"}
LABEL_VALUES = {
    ("attempts_total", "state"): OUTCOMES,
    ("database_errors_total", "point"): POINTS,
    ("trust_material_age_seconds", "kind"): {"registry", "jwks", "revocation", "login", "crl", "ocsp"},
    ("cases_open", "kind"): {"OUTCOME_UNCERTAIN", "RAIL_ECHO_MISMATCH", "LATE_CONTRADICTION", *ALIAS_CASES},
    ("ingress_decisions_total", "decision"): {"ACCEPT", "REPLAY", "REJECT"},
    ("ingress_decisions_total", "reason"): set(re.findall(r"^  \('([A-Z_]+)', \d", REASONS.read_text(), re.M)),
}
SELECTOR = re.compile(r"([a-z_:]+)\s*\{([^}]*)\}")
MATCHER = re.compile(r'\s*([a-z_]+)\s*(=~|!~|!=|=)\s*"([^"]*)"\s*(?:,|$)')


def load_rules() -> list[dict[str, Any]]:
    document = yaml.safe_load(RULES.read_text())
    return [rule for group in document["groups"] for rule in group["rules"]]


def family(name: str) -> str | None:
    """The catalogue's name of an exported series, or None."""
    if name in CATALOGUE:
        return name if CATALOGUE[name].type != "histogram" else None
    base = re.sub(r"_(bucket|sum|count)$", "", name)
    return base if base in CATALOGUE and CATALOGUE[base].type == "histogram" else None


def problems(expr: str) -> list[str]:
    """Everything in an expression that the catalogue does not know."""
    found: list[str] = []
    used: set[str] = set()
    for name, inside in SELECTOR.findall(expr):
        base = family(name)
        if base is None:
            found.append(f"metric {name}")
            continue
        matchers = MATCHER.findall(inside)
        if MATCHER.sub("", inside).strip():
            found.append(f"selector {inside}")
        for label, operator, value in matchers:
            if label not in {*CATALOGUE[base].labels, *TARGET_LABELS}:
                found.append(f"label {name}.{label}")
            known = LABEL_VALUES.get((base, label))
            for part in value.split("|") if operator in {"=~", "!~"} else [re.escape(value)]:
                if known is not None and not any(re.fullmatch(part, candidate) for candidate in known):
                    found.append(f"value {name}.{label}={part}")
    bare = re.sub(r"\{[^}]*\}|\[[0-9a-z:]+\]", " ", expr)
    groupings = re.findall(r"\b(?:by|without|on|ignoring)\s*\(([^)]*)\)", bare)
    bare = re.sub(r"\b(?:by|without|on|ignoring)\s*\([^)]*\)", " ", bare)
    bare = re.sub(r"(?<![a-z_])[0-9][0-9.]*(?:e[0-9]+)?", " ", bare)
    for name in re.findall(r"[A-Za-z_:][A-Za-z0-9_:]*", bare):
        if name in FUNCTIONS | WORDS:
            continue
        base = family(name)
        if base is None:
            found.append(f"metric {name}")
        else:
            used.add(base)
    labels = {label for base in used for label in CATALOGUE[base].labels} | TARGET_LABELS
    if any(name in expr for name in (f"{base}_bucket" for base in used)):
        labels.add("le")
    for grouping in groupings:
        found.extend(f"grouping {g.strip()}" for g in grouping.split(",") if g.strip() not in labels)
    return found


RULE_LIST = load_rules()


@pytest.mark.parametrize("rule", RULE_LIST, ids=lambda rule: str(rule["alert"]))
def test_a_rule_is_whole_and_uses_only_what_is_exported(rule: dict[str, Any]) -> None:
    assert set(rule) == {"alert", "expr", "for", "labels", "annotations"}
    assert re.fullmatch(r"Symphony[A-Z][A-Za-z]+", rule["alert"])
    assert re.fullmatch(r"[1-9][0-9]*[smh]", rule["for"])
    assert rule["labels"]["severity"] in {"critical", "warning"}
    assert set(rule["annotations"]) == {"summary", "runbook"}
    assert len(rule["annotations"]["summary"]) >= 30
    assert len(rule["annotations"]["runbook"]) >= 60
    assert rule["expr"].count("(") == rule["expr"].count(")")
    assert problems(rule["expr"]) == []
    named = set(re.findall(r"\$labels\.([a-z_]+)", " ".join(rule["annotations"].values())))
    for label in named:
        assert re.search(rf"by \([^)]*\b{label}\b", rule["expr"]), f"{label} does not survive the aggregation"


def test_names_are_unique() -> None:
    names = [rule["alert"] for rule in RULE_LIST]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    "metric",
    [
        "oldest_pending_age_seconds",
        "stuck_dispatching_count",
        "uncertain_oldest_age_seconds",
        "attempts_total",
        "wakeup_latency_seconds",
        "breaker_state",
        "partitions_ahead_months",
        "database_errors_total",
        "ingress_decisions_total",
        "health_read_timestamp_seconds",
        "cases_open",
        "trust_material_age_seconds",
        "overdue_logins",
        "clock_offset_seconds",
        "proxy_registry_unavailable",
        "proxy_oldest_pending_age_seconds",
    ],
)
def test_what_must_be_watched_has_a_rule(metric: str) -> None:
    assert [rule for rule in RULE_LIST if re.search(rf"\b{metric}(_bucket)?\b", rule["expr"])]


# Above its limit nothing is believed any longer: the alarm comes before (E6). The proof rule's default is 15 minutes.
DEFAULTS: dict[str, Any] = {field.name: field.default for field in fields(TrustSettings)}
LIMITS_S = {
    "registry": DEFAULTS["registry_max_age_ms"] / 1000,
    "jwks": DEFAULTS["jwks_max_stale_s"],
    "revocation": 900,
    "crl": 900,
    "ocsp": 900,
}


@pytest.mark.parametrize("kind", LIMITS_S)
def test_what_goes_stale_has_a_rule_below_its_limit(kind: str) -> None:
    found = [
        float(limit)
        for rule in RULE_LIST
        for kinds, limit in re.findall(r'trust_material_age_seconds\{kind=~?"([^"]+)"\}\) > ([0-9]+)', rule["expr"])
        if kind in kinds.split("|")
    ]
    assert found
    assert max(found) < LIMITS_S[kind]


def test_metrics_named_in_runbooks_exist() -> None:
    for rule in RULE_LIST:
        text = " ".join(rule["annotations"].values())
        for word in re.findall(r"\b[a-z]+(?:_[a-z]+)+_(?:total|seconds|bytes)\b", text):
            assert word in CATALOGUE, f"{rule['alert']}: {word}"


@pytest.mark.parametrize(
    ("expr", "problem"),
    [
        ("max(no_such_metric) > 1", "metric no_such_metric"),
        ('attempts_total{colour="x"} > 1', "label attempts_total.colour"),
        ('attempts_total{state="WON"} > 1', "value attempts_total.state=WON"),
        (
            'ingress_decisions_total{reason=~"LIMIT_.*|NOBODY_.*"}',
            "value ingress_decisions_total.reason=NOBODY_.*",
        ),
        ('cases_open{kind="PROXY_TARGET_GONE"} > 0', "value cases_open.kind=PROXY_TARGET_GONE"),
        ("sum by (kind) (attempts_total)", "grouping kind"),
        ("wakeup_latency_seconds > 1", "metric wakeup_latency_seconds"),
        ("sum by (le) (attempts_total)", "grouping le"),
        ("breaker_state_bucket > 1", "metric breaker_state_bucket"),
        ('absent(up{job="x"})', "metric up"),
    ],
)
def test_the_check_sees_planted_mistakes(expr: str, problem: str) -> None:
    assert problem in problems(expr)
