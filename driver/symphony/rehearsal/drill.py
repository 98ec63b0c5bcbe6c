"""The fallback drill: canary, breach, inversion, replay of what was cut off, hold-down, resumption."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final

from symphony.api import connect, routing
from symphony.demo.processes import DemoFailed
from symphony.demo.stage import Say
from symphony.rehearsal.load import Answer, Load, open_session, post
from symphony.rehearsal.relay import Weather
from symphony.rehearsal.stage import Routes, RoutingStage
from symphony.routing.haproxy import RuntimeSocket

RULES: Final[dict[str, object]] = {
    "window_ms": 1_500, "requests_min": 8, "breach_windows": 2, "healthy_windows": 2, "heartbeat_interval_ms": 500,
    "heartbeat_misses_max": 4, "hold_down_ms": 5_000, "hold_down_max_ms": 60_000, "cooldown_ms": 2_000,
    "canary_ladder_pct": [25, 50, 100], "sample_keep_ms": 60_000,
}  # fmt: skip
"""The drill's thresholds: the shipped ones, quicker."""

LIMIT_S: Final = 60.0
TARGET_S: Final = 10.0
_OPERATOR: Final = "drill operator"
_ZOMBIES: Final = 3
_PAUSE_S: Final = 0.02
_CLIENTS, _PER_SECOND = 24, 150.0


@dataclass(slots=True)
class Zombie:
    """A payment that green committed and could not acknowledge, and what its key got afterwards."""

    name: str
    first: Answer
    again: Answer | None = None


@dataclass(slots=True)
class Facts:
    """What the drill saw; times are seconds of the monotonic clock.

    Attributes:
        broken_at, inverted_at, resumed_at: when green was broken, blue had all weight at HAProxy, green had some.
        green_share: answers of green before the breach, in percent.
    """

    load: Load
    zombies: list[Zombie] = field(default_factory=list)
    broken_at: float = 0.0
    inverted_at: float = 0.0
    resumed_at: float = 0.0
    green_share_pct: float = 0.0
    swallowed: int = 0

    @property
    def inversion_s(self) -> float:
        """From the breach to all weight on blue, at HAProxy."""
        return self.inverted_at - self.broken_at


async def play(stage: RoutingStage, routes: Routes, say: Say) -> Facts:
    """Run the drill under load; raises DemoFailed when a step does not come about in time."""
    await _publish_rules(stage)
    facts = Facts(Load(routes.url, clients=_CLIENTS, per_second=_PER_SECOND))
    haproxy = RuntimeSocket(routes.socket)
    facts.load.start()
    try:
        await _canary(stage, routes, haproxy, facts, say)
        await _breach(stage, routes, haproxy, facts, say)
        await _replay(facts, say)
        await _wait_for("the canary's resumption", lambda: _green_has_weight(haproxy), stage, routes)
        facts.resumed_at = time.monotonic()
        say(f"green has a share again, {facts.resumed_at - facts.inverted_at:.1f} s after the inversion, not before")
        await asyncio.sleep(2.0)
        await facts.load.stop()
    finally:
        facts.load.cancel()
    return facts


async def _publish_rules(stage: RoutingStage) -> None:
    async with await connect(stage.urls["symphony_policy_admin"], application_name="symphony rehearse") as connection:
        await routing.publish_rules(connection, changes=RULES, operator=_OPERATOR, reason="fallback drill")


async def _canary(stage: RoutingStage, routes: Routes, haproxy: RuntimeSocket, facts: Facts, say: Say) -> None:
    await _wait_for("acknowledgements", lambda: _answered(facts, "blue", 100), stage, routes)
    async with await connect(stage.urls["symphony_operator"], application_name="symphony rehearse") as connection:
        await routing.begin_canary(connection, candidate="green", operator=_OPERATOR, reason="fallback drill")
    begun = Counter(_answers(facts))
    say("canary of green begun by an operator, under load")

    async def half() -> bool:
        return (await haproxy.status())["green"].weight_pct >= 50

    await _wait_for("green's half of the traffic", half, stage, routes)
    await _wait_for("green's answers", lambda: _answered(facts, "green", 60), stage, routes)
    since = _answers(facts) - begun
    facts.green_share_pct = 100 * since["green"] / max(since.total(), 1)
    say(f"green carries its share: {since['green']} of {since.total()} answers since ({facts.green_share_pct:.0f} %)")


async def _breach(stage: RoutingStage, routes: Routes, haproxy: RuntimeSocket, facts: Facts, say: Say) -> None:
    routes.relay.weather = Weather.SWALLOWED
    facts.broken_at = time.monotonic()
    say("green's database connection is broken: answers to COMMIT get lost or come late")
    async with open_session() as session:
        names = [f"ZOMBIE-{uuid.uuid4().hex}" for _ in range(_ZOMBIES)]
        answers = await asyncio.gather(*(post(session, routes.services["green"], name) for name in names))
    facts.zombies = [Zombie(name, answer) for name, answer in zip(names, answers, strict=True)]
    routes.relay.weather = Weather.STORM

    async def inverted() -> bool:
        status = await haproxy.status()
        return (status["blue"].weight_pct, status["green"].weight_pct) == (100, 0)

    await _wait_for("the inversion", inverted, stage, routes)
    facts.inverted_at = time.monotonic()
    facts.swallowed = routes.relay.swallowed
    say(f"inverted: all weight on blue at HAProxy {facts.inversion_s:.1f} s after the breach;"
        f" {facts.swallowed} answers to COMMIT were lost")  # fmt: skip
    routes.relay.weather = Weather.FAIR


async def _replay(facts: Facts, say: Say) -> None:
    said = []
    async with open_session() as session:
        for zombie in facts.zombies:
            zombie.again = await post(session, facts.load.url, zombie.name)
            said.append(f"{zombie.again.status} from {zombie.again.colour}")
    say(f"keys whose acknowledgement was cut off on green, sent again through HAProxy: {', '.join(said)}")


def _answers(facts: Facts) -> Counter[str]:
    return Counter(entry.colour for entry in facts.load.journal if entry.acknowledged is not None)


async def _green_has_weight(haproxy: RuntimeSocket) -> bool:
    return (await haproxy.status())["green"].weight_pct > 0


async def _answered(facts: Facts, colour: str, least: int) -> bool:
    facts.load.check()
    return _answers(facts)[colour] >= least


async def _wait_for(what: str, condition: Callable[[], Awaitable[bool]], stage: RoutingStage, routes: Routes) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not await condition():
        stage.company.check(routes.children)
        if time.monotonic() > deadline:
            raise DemoFailed(f"{what} did not come about within {LIMIT_S:.0f} s{stage.company.tails()}")
        await asyncio.sleep(_PAUSE_S)


def report(facts: Facts) -> dict[str, Any]:
    """The numbers measured."""
    tries = Counter(entry.tries for entry in facts.load.journal)
    return {
        "inversion_s": round(facts.inversion_s, 3),
        "inversion_limit_s": LIMIT_S,
        "inversion_target_s": TARGET_S,
        "back_after_s": round(facts.resumed_at - facts.inverted_at, 3),
        "green_share_pct": round(facts.green_share_pct, 1),
        "answers_to_commit_lost": facts.swallowed,
        "sent": len(facts.load.journal),
        "acknowledged": sum(entry.acknowledged is not None for entry in facts.load.journal),
        "sent_again": sum(count for number, count in tries.items() if number > 1),
        "acknowledged_as_replay": sum(entry.replayed for entry in facts.load.journal),
        "zombies_replayed": sum(z.again is not None and z.again.replayed for z in facts.zombies),
    }
