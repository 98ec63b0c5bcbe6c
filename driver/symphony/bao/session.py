"""A service's session with OpenBao: logged in with its own AppRole, asked from a coroutine, answered in a thread.

No method, no repr and no error shows a token, a secret or what OpenBao answered.
"""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Self

from symphony.bao.certificates import Certificate, key_and_request, signed
from symphony.bao.enrolment import Enrolment
from symphony.bao.errors import BaoRefused, BaoUnavailable, EnrolmentRefused, RevocationFailed
from symphony.bao.rights import CLIENT_CA, DATABASE, KV, SERVER_CA, TRANSIT
from symphony.bao.wire import CONNECT_TIMEOUT_S, Wire
from symphony.operator_error import OperatorError

_THREADS = 4
_CLIENT_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")


@dataclass(frozen=True, slots=True)
class LoginGrant:
    """A database login as OpenBao gave it; `seconds` is how long it lives from the moment it was asked for."""

    lease_id: str
    username: str
    password: str = field(repr=False)
    seconds: int


@dataclass(frozen=True, slots=True)
class Keyed:
    """A signature or an HMAC, and the version of the key that made it."""

    key_version: int
    value: bytes


class Session:
    """One token at one OpenBao. Every method raises BaoUnavailable (no answer in time) or BaoRefused.

    Args:
        timeout_s: how long a call may take in all.
    """

    def __init__(self, address: str, *, token: str = "", ca_file: str | None = None, timeout_s: float = 5.0) -> None:
        self._wire = Wire(address, token=token, ca_file=ca_file, timeout_s=timeout_s)
        self._timeout_s = CONNECT_TIMEOUT_S + timeout_s
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="bao")  # not the loop's own: a hang stays here

    @classmethod
    async def login(cls, enrolment: Enrolment, *, ca_file: str | None = None, timeout_s: float = 5.0) -> Self:
        """Unwrap the secret id, check that it is the service's own, and log in with it.

        Raises:
            EnrolmentRefused: spent, older than its time, or made for something else. BaoUnavailable.
        """
        session = cls(enrolment.address, ca_file=ca_file, timeout_s=timeout_s)
        try:
            await session._run(_log_in, session._wire, enrolment)
        except BaseException:
            session._forget()
            raise
        return session

    @property
    def address(self) -> str:
        """Where OpenBao is."""
        return self._wire.address

    async def close(self) -> None:
        """Give the token back, which ends its database logins too; an OpenBao that is away ends them in time itself."""
        try:
            await self._run(self._wire.write, "auth/token/revoke-self")
        except (BaoUnavailable, BaoRefused):
            pass
        finally:
            self._forget()

    async def renew_token(self) -> int:
        """Renew our token; the seconds it lives from now."""
        answer = await self._run(self._wire.write, "auth/token/renew-self")
        return int(answer["auth"]["lease_duration"])

    async def secret(self, path: str) -> dict[str, Any]:
        """The newest version of a secret of ours; `path` begins with the service's name."""
        answer = await self._run(self._wire.call, "get", f"{KV}/data/{path}")
        return dict(answer["data"]["data"])

    async def grant_login(self, capability: str) -> LoginGrant:
        """A new database login that is a member of this capability and nothing else."""
        with _database_trouble():
            answer = await self._run(self._wire.call, "get", f"{DATABASE}/creds/{capability}")
        data = answer["data"]
        return LoginGrant(answer["lease_id"], data["username"], data["password"], int(answer["lease_duration"]))

    async def renew_login(self, lease_id: str, *, seconds: int) -> int:
        """Renew a login; the seconds it lives from now, fewer than asked near its greatest age."""
        with _database_trouble():
            answer = await self._run(self._wire.write, f"sys/leases/renew/{lease_id}", {"increment": seconds})
        return int(answer["lease_duration"])

    async def revoke_login(self, lease_id: str) -> None:
        """End a login and its sessions now (an operator's act).

        Raises:
            RevocationFailed: the database did not end it; OpenBao tries again, and the login may work until then.
        """
        try:
            await self._run(self._wire.write, "sys/leases/revoke", {"lease_id": lease_id, "sync": True})
        except BaoRefused as error:
            if error.status != 400:
                raise
            raise RevocationFailed(
                "OpenBao could not end a database login; see its log and symphony bao check"
            ) from None

    async def server_certificate(
        self, *, names: Sequence[str] = (), addresses: Sequence[str] = (), ttl_s: int | None = None
    ) -> Certificate:
        """A certificate for our own listener (EKU serverAuth); the key is made here and never leaves the process."""
        key_pem, request_pem = await asyncio.to_thread(key_and_request)
        wanted = {"alt_names": ",".join(names), "ip_sans": list(addresses)}
        return await self._sign_request(SERVER_CA, "ingress", request_pem, wanted, ttl_s, key_pem)

    async def client_certificate(
        self, client_id: str, *, request_pem: str | None = None, ttl_s: int | None = None
    ) -> Certificate:
        """A certificate for a client (EKU clientAuth, SAN urn:symphony:client:ID); for the registrar.

        Args:
            request_pem: the client's own PKCS #10 request; without one a key is made here.

        Raises:
            OperatorError: CLIENT_ID_INVALID; OpenBao would read a comma as the end of a name.
        """
        if not _CLIENT_ID.fullmatch(client_id):
            raise OperatorError(
                "CLIENT_ID_INVALID",
                thing="a client id",
                reason="it is not 1 to 64 of A-Z, a-z, 0-9 and ._:-",
                next_action="correct it",
            )
        key_pem, request = (b"", request_pem) if request_pem else await asyncio.to_thread(key_and_request)
        wanted = {"uri_sans": [f"urn:symphony:client:{client_id}"]}
        return await self._sign_request(CLIENT_CA, "participant", request, wanted, ttl_s, key_pem)

    async def revoke_client_certificate(self, serial: str) -> None:
        """Revoke by serial number (aa:bb:...); the list that is fetched next has it."""
        await self._run(self._wire.write, f"{CLIENT_CA}/revoke", {"serial_number": serial})

    async def revocation_list(self, authority: str) -> bytes:
        """The authority's CRL as it is now, DER (RFC 5280); signed, so no token is needed."""
        return await self._run(self._wire.raw, f"{authority}/crl")

    async def rotate_revocation_list(self, authority: str) -> None:
        """Have a fresh CRL made, before the old one's nextUpdate; for the maintainer."""
        await self._run(self._wire.call, "get", f"{authority}/crl/rotate")

    async def authority_certificate(self, authority: str) -> bytes:
        """The issuing authority's certificate, DER."""
        return await self._run(self._wire.raw, f"{authority}/ca")

    async def sign(self, key: str, messages: Sequence[bytes]) -> list[Keyed]:
        """Sign each message in one call: Ed25519 (RFC 8032), or ECDSA P-256 with SHA-256 in ASN.1 DER."""
        hashing = "" if key.endswith("ed25519") else "/sha2-256"
        options = {"marshaling_algorithm": "asn1"} if hashing else {}
        return await self._keyed(f"{TRANSIT}/sign/{key}{hashing}", messages, "signature", options)

    async def hmac(self, key: str, messages: Sequence[bytes], *, key_version: int | None = None) -> list[Keyed]:
        """HMAC-SHA-256 of each message in one call, under that version of the key (None: the latest)."""
        options = {} if key_version is None else {"key_version": key_version}
        return await self._keyed(f"{TRANSIT}/hmac/{key}/sha2-256", messages, "hmac", options)

    async def usable_versions(self, key: str) -> range:
        """The versions of an HMAC key that still make HMACs, oldest first; min_encryption_version ends the others."""
        found = (await self._run(self._wire.call, "get", f"{TRANSIT}/keys/{key}"))["data"]
        oldest = max(1, *(int(found[f"min_{use}_version"]) for use in ("available", "decryption", "encryption")))
        return range(oldest, int(found["latest_version"]) + 1)

    async def public_keys(self, key: str) -> dict[int, str]:
        """Version -> public key: PEM for P-256, base64 of 32 bytes for Ed25519."""
        answer = await self._run(self._wire.call, "get", f"{TRANSIT}/keys/{key}")
        return {int(version): str(found["public_key"]) for version, found in answer["data"]["keys"].items()}

    async def _sign_request(
        self, authority: str, role: str, request_pem: str, wanted: dict[str, Any], ttl_s: int | None, key_pem: bytes
    ) -> Certificate:
        body: dict[str, Any] = {**wanted, "csr": request_pem, "format": "pem"}
        if ttl_s is not None:
            body["ttl"] = f"{ttl_s}s"
        answer = await self._run(self._wire.write, f"{authority}/sign/{role}", body)
        return signed(answer["data"], key_pem)

    async def _keyed(
        self, path: str, messages: Sequence[bytes], name: str, options: Mapping[str, object]
    ) -> list[Keyed]:
        items = [{"input": base64.b64encode(message).decode("ascii")} for message in messages]
        answer = await self._run(self._wire.write, path, {"batch_input": items, **options})
        results = answer["data"]["batch_results"]
        if len(results) != len(messages) or any(name not in result for result in results):
            raise BaoUnavailable(f"OpenBao did not answer every item of a batch ({name})")
        return [_keyed(result[name]) for result in results]

    async def _run[T](self, call: Callable[..., T], *arguments: Any) -> T:
        try:
            async with asyncio.timeout(self._timeout_s):
                return await asyncio.get_running_loop().run_in_executor(self._threads, call, *arguments)
        except TimeoutError:
            raise BaoUnavailable(f"OpenBao gave no answer within {self._timeout_s:.1f} s") from None

    def _forget(self) -> None:
        self._wire.close()
        self._threads.shutdown(wait=False, cancel_futures=True)


@contextmanager
def _database_trouble() -> Iterator[None]:
    """Status 400 is what OpenBao says of a lost lease, but also when the database is away: only the first is final."""
    try:
        yield
    except BaoRefused as error:
        if error.status != 400 or "lease not found" in error.said:
            raise
        raise BaoUnavailable("OpenBao could not make or renew a database login now; its log says why") from None


def _keyed(text: str) -> Keyed:
    """Read `vault:v1:BASE64`."""
    _, version, value = text.split(":", 2)
    return Keyed(int(version.removeprefix("v")), base64.b64decode(value, validate=True))


def _log_in(wire: Wire, enrolment: Enrolment) -> None:
    try:
        found = wire.write("sys/wrapping/lookup", {"token": enrolment.wrapped_secret_id})
        if found["data"]["creation_path"] != f"auth/approle/role/{enrolment.service}/secret-id":
            raise EnrolmentRefused(
                f"the wrapped secret of {enrolment.service} was made for something else: raise an alarm"
            )
        wire.use_token(enrolment.wrapped_secret_id)
        secret_id = wire.write("sys/wrapping/unwrap")["data"]["secret_id"]
        wire.use_token("")
        answer = wire.write("auth/approle/login", {"role_id": enrolment.role_id, "secret_id": secret_id})
    except BaoRefused as error:
        raise EnrolmentRefused(
            f"the enrolment of {enrolment.service} is spent or too old (status {error.status}); when nobody of ours has"
            " used it, somebody else has: look into the audit log, then have a new one made (symphony bao enrol)"
        ) from None
    wire.use_token(answer["auth"]["client_token"])
