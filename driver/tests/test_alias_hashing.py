"""An alias has one keyed hash, of a real OpenBao; a rotation stops nothing, and an OpenBao that is away says so."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Awaitable, Callable

import pytest

from symphony.bao.rights import PROXY_HASH
from symphony.bao.session import Keyed, Session
from symphony.operator_error import OperatorError
from symphony.resolver.aliases import Alias, normalise
from symphony.resolver.hashing import AliasHasher, Hashed, HashingUnavailable, LocalHasher, TransitHasher
from tests.bao_process import Bao

pytest_plugins = ("tests.bao_fixtures",)
KEY_ID = re.compile(r"[a-z][a-z0-9-]{0,47}:v[0-9]{1,9}")  # what proxy.proxy_resolutions takes
PHONE = normalise("MBNO", "0977 123456")
MAIL = normalise("EMAL", "chanda@example.com")
KEYS = {1: bytes(range(32)), 2: bytes(range(1, 33))}


def rotate(bao: Bao) -> None:
    """A new latest version; the one before stays usable."""
    bao.root.write(f"transit/keys/{PROXY_HASH}/rotate")


def versions(found: list[list[Hashed]]) -> list[list[str]]:
    """The key ids of each alias, in order."""
    return [[hashed.key_id for hashed in of_one] for of_one in found]


class Counted:
    """A session that counts what it is asked, and asks the real one."""

    def __init__(self, session: Session) -> None:
        self.calls: list[str] = []
        self.hmac = self._counted("hmac", session.hmac)
        self.usable_versions = self._counted("versions", session.usable_versions)

    def _counted[**P, T](self, name: str, call: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]:
        async def counted(*arguments: P.args, **options: P.kwargs) -> T:
            self.calls.append(name)
            return await call(*arguments, **options)

        return counted


async def test_a_hash_is_the_documented_hmac_and_the_same_for_ever(bao: Bao) -> None:
    async with bao.session("resolver") as session:
        ((phone,), (mail,), (again,)) = await TransitHasher(session).hash([PHONE, MAIL, PHONE])
        made = await session.hmac(PROXY_HASH, [b"proxy:MBNO:+260977123456", b"proxy-secret:MBNO:+260977123456"])
        assert made == [Keyed(1, phone.hash), Keyed(1, phone.secret)]
    async with bao.session("resolver") as session:
        ((later,),) = await TransitHasher(session).hash([PHONE])
    assert phone.key_id == "proxy-hash:v1"
    assert KEY_ID.fullmatch(phone.key_id)
    assert (phone.hash, phone.secret, phone.alias) == (again.hash, again.secret, again.alias)
    assert (phone.hash, phone.secret) == (later.hash, later.secret)
    assert len({phone.hash, phone.secret, mail.hash, mail.secret}) == 4
    assert {len(value) for value in (phone.hash, phone.secret, mail.hash, mail.secret)} == {32}
    assert phone.hash != hashlib.sha256(b"proxy:MBNO:+260977123456").digest()


async def test_the_same_value_under_two_types_has_two_hashes(bao: Bao) -> None:
    async with bao.session("resolver") as session:
        found = await TransitHasher(session).hash([Alias("PVTX", "1000123456"), Alias("COTX", "1000123456")])
    assert len({hashed.hash for (hashed,) in found}) == 2


async def test_nothing_asked_is_nothing_called(bao: Bao) -> None:
    async with bao.session("resolver") as session:
        counted = Counted(session)
        assert await TransitHasher(counted).hash([]) == []  # type: ignore[arg-type]
    assert counted.calls == []


async def test_a_rotation_stops_nothing_and_the_previous_version_is_asked_until_it_ends(bao: Bao) -> None:
    async with bao.session("resolver") as session:
        counted = Counted(session)
        hasher = TransitHasher(counted)  # type: ignore[arg-type]
        (before, _) = await hasher.hash([PHONE, MAIL])
        assert len(before) == 1
        assert counted.calls == ["hmac", "versions"]
        await hasher.hash([PHONE])
        assert counted.calls == ["hmac", "versions", "hmac"], "one version: one call"

        rotate(bao)
        found = await hasher.hash([PHONE, MAIL])
        assert versions(found) == [["proxy-hash:v2", "proxy-hash:v1"]] * 2
        assert (found[0][1].hash, found[0][1].secret) == (before[0].hash, before[0].secret)
        assert found[0][0].hash != before[0].hash
        assert counted.calls[3:] == ["hmac", "versions", "hmac"]
        await hasher.hash([PHONE])
        assert counted.calls[6:] == ["hmac", "hmac"], "known by now"

        rotate(bao)
        assert versions(await hasher.hash([PHONE])) == [["proxy-hash:v3", "proxy-hash:v2"]]

        bao.root.write(f"transit/keys/{PROXY_HASH}/config", {"min_encryption_version": 3})
        with pytest.raises(HashingUnavailable, match="status 400"):
            await hasher.hash([PHONE])  # it did not know that the previous version was ended
        assert versions(await hasher.hash([PHONE])) == [["proxy-hash:v3"]]


async def test_an_openbao_that_is_away_is_named_and_names_no_alias(bao: Bao) -> None:
    async with bao.session("resolver", timeout_s=3.0) as session:
        hasher = TransitHasher(session)
        before = await hasher.hash([PHONE])
        with bao.hung(), pytest.raises(HashingUnavailable) as refused:
            await hasher.hash([PHONE])
        assert "260977123456" not in f"{refused.value!r} {refused.value.__cause__!r}"
        after = await hasher.hash([PHONE])
    assert after[0][0].hash == before[0][0].hash


async def test_a_session_without_the_right_hashes_nothing(bao: Bao) -> None:
    async with bao.session("worker") as session:
        with pytest.raises(HashingUnavailable, match="transit/hmac/proxy-hash with status 403"):
            await TransitHasher(session).hash([PHONE])


async def test_neither_hash_nor_alias_shows_itself(bao: Bao) -> None:
    async with bao.session("resolver") as session:
        ((hashed, *_),) = await TransitHasher(session).hash([PHONE])
    shown = f"{hashed!r} {hashed} {hashed.alias!r}"
    for hidden in ("260977123456", hashed.secret.hex(), repr(hashed.secret), hashed.hash.hex(), repr(hashed.hash)):
        assert hidden not in shown


async def test_keys_of_this_process_make_the_same_construction() -> None:
    hasher: AliasHasher = LocalHasher(KEYS, environment="dev")
    ((latest, previous),) = await hasher.hash([PHONE])
    for hashed, version in ((latest, 2), (previous, 1)):
        assert hashed.key_id == f"proxy-hash:v{version}"
        assert hashed.hash == hmac.digest(KEYS[version], b"proxy:MBNO:+260977123456", "sha256")
        assert hashed.secret == hmac.digest(KEYS[version], b"proxy-secret:MBNO:+260977123456", "sha256")
    assert versions(await LocalHasher({3: KEYS[1], 1: KEYS[2]}, environment="dev").hash([PHONE])) == [["proxy-hash:v3"]]


@pytest.mark.parametrize("environment", ["", "production", "DEV", "dev "])
def test_keys_of_this_process_are_for_development(environment: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OperatorError, match="LOCAL_KEYS_REFUSED"):
        LocalHasher(KEYS, environment=environment)
    monkeypatch.setenv("SYMPHONY_ENVIRONMENT", environment)
    with pytest.raises(OperatorError, match="LOCAL_KEYS_REFUSED"):
        LocalHasher(KEYS)
    monkeypatch.delenv("SYMPHONY_ENVIRONMENT")
    with pytest.raises(OperatorError, match="LOCAL_KEYS_REFUSED"):
        LocalHasher(KEYS)
    monkeypatch.setenv("SYMPHONY_ENVIRONMENT", "dev")
    LocalHasher(KEYS)


@pytest.mark.parametrize("keys", [{}, {0: bytes(32)}, {1: bytes(31)}, {1: bytes(32), 2: b"short"}])
def test_a_local_key_has_a_version_and_32_bytes(keys: dict[int, bytes]) -> None:
    with pytest.raises(OperatorError, match="32 bytes"):
        LocalHasher(keys, environment="dev")


def test_no_log_holds_an_alias(bao: Bao) -> None:
    """Last in the file: the server's log and audit log of everything above, and ours at level DEBUG."""
    said = bao.said()
    assert f"transit/hmac/{PROXY_HASH}" in said, "the tests above did not run"
    for hidden in ("977123456", "chanda@example.com", "1000123456", "cHJveHk6TUJOTzorMjYwOTc3MTIzNDU2"):
        assert hidden not in said
