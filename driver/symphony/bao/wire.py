"""One request to OpenBao and its answer: hvac's adapter, blocking, and silent about what it carries."""

from __future__ import annotations

import ipaddress
from typing import Any
from urllib.parse import urlsplit

import requests
from hvac.adapters import RawAdapter  # type: ignore[import-untyped]

from symphony.bao.errors import BaoRefused, BaoUnavailable
from symphony.operator_error import OperatorError

CONNECT_TIMEOUT_S = 1.0
_UNAVAILABLE = frozenset({412, 429, 472, 473})  # standby, over a rate limit, replication states


class Wire:
    """OpenBao at one address, with one token or none.

    Args:
        address: https, or http on loopback only (OperatorError BAO_ADDRESS_INVALID otherwise).
        ca_file: whom to trust for https; None is the system's store.
        timeout_s: how long one read may take.
    """

    def __init__(self, address: str, *, token: str = "", ca_file: str | None = None, timeout_s: float = 5.0) -> None:
        self.address = _checked(address)
        session = requests.Session()
        session.trust_env = False  # no proxy, no .netrc, no CA bundle from somebody's environment
        session.verify = ca_file or True
        self._adapter = RawAdapter(
            base_uri=self.address,
            token=token,
            timeout=(CONNECT_TIMEOUT_S, timeout_s),
            session=session,
            allow_redirects=False,  # a token is not carried elsewhere
            ignore_exceptions=True,
        )

    def use_token(self, token: str) -> None:
        """Send this token from now on."""
        self._adapter.token = token

    def close(self) -> None:
        """Forget the token and close the connections."""
        self._adapter.token = ""
        self._adapter.session.close()

    def read(self, path: str) -> dict[str, Any] | None:
        """GET; None when there is nothing. Raises BaoRefused, BaoUnavailable."""
        try:
            return self.call("get", path)
        except BaoRefused as error:
            if error.status == 404:
                return None
            raise

    def write(self, path: str, body: dict[str, Any] | None = None, *, wrap_ttl: str | None = None) -> dict[str, Any]:
        """POST; the whole answer, {} when it is empty. Raises BaoRefused, BaoUnavailable."""
        return self.call("post", path, json=body or {}, wrap_ttl=wrap_ttl)

    def delete(self, path: str) -> None:
        """DELETE. Raises BaoRefused, BaoUnavailable."""
        self.call("delete", path)

    def call(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        """One request under /v1/. Raises BaoRefused (status 3xx, 4xx), BaoUnavailable (no answer, 5xx)."""
        response = self._send(method, path, **options)
        if not response.content:
            return {}
        try:
            answer = response.json()
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise BaoUnavailable(f"OpenBao answered {_place(path)} with something else than a JSON object")
        return answer

    def raw(self, path: str) -> bytes:
        """GET a document that is no JSON (a CRL, a certificate). Raises BaoRefused, BaoUnavailable."""
        return bytes(self._send("get", path).content)

    def _send(self, method: str, path: str, **options: Any) -> requests.Response:
        try:
            response: requests.Response = self._adapter.request(method, f"/v1/{path}", **options)
        except requests.RequestException as error:  # its text may quote the request: only its type is told
            raise BaoUnavailable(f"OpenBao gave no answer to {_place(path)}: {type(error).__name__}") from None
        if response.status_code >= 500 or response.status_code in _UNAVAILABLE:
            raise BaoUnavailable(f"OpenBao cannot answer {_place(path)} now: status {response.status_code}")
        if response.status_code >= 300:
            raise BaoRefused(_place(path), status=response.status_code, said=_errors(response))
        return response


def _place(path: str) -> str:
    """The beginning of a path: enough to know what was asked, without lease ids and serial numbers."""
    return "/".join(path.split("/")[:3])


def _errors(response: requests.Response) -> str:
    try:
        said = response.json()["errors"]
    except (ValueError, KeyError, TypeError):
        return ""
    return " ".join(" ".join(map(str, said)).split())


def _checked(address: str) -> str:
    parts = urlsplit(address)
    host = parts.hostname or ""
    try:
        loopback = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not host or parts.scheme not in ("https", "http") or (parts.scheme == "http" and not loopback):
        raise OperatorError(
            "BAO_ADDRESS_INVALID",
            thing="the address of OpenBao",
            reason="it must be https://HOST:PORT; plain http is for loopback only",
            next_action="correct --address (environment: SYMPHONY_BAO_ADDRESS)",
        )
    return address.rstrip("/")
