"""Revocation of client certificates: the issuing CA's list (RFC 5280) and its responder (RFC 6960)."""
