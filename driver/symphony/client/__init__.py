"""The sender's side: what proves who sends a request, made fast enough for every request.

`proofs` makes DPoP proofs and signatures, `tokens` gets access tokens, `directory` keeps it all in files, and
`credentials` puts the headers of one request together.
"""

from __future__ import annotations

from symphony.client.credentials import Credentials
from symphony.client.tokens import TokenUnavailable

__all__ = ["Credentials", "TokenUnavailable"]
