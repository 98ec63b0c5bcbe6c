"""No row of the ingress requirements is without a negative test: T1 to T11, J1 to J21, D1 to D8, B1 to B16."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests import (
    test_ingress_negative_body,
    test_ingress_negative_dpop,
    test_ingress_negative_token,
    test_ingress_negative_transport,
)

ROWS = {"T": 11, "J": 21, "D": 8, "B": 16}
TABLES = (
    test_ingress_negative_transport.CASES,
    test_ingress_negative_transport.CONNECTIONS,
    test_ingress_negative_token.CASES,
    test_ingress_negative_dpop.CASES,
    test_ingress_negative_dpop.DEMANDED,
    test_ingress_negative_body.CASES,
)
# Rows that no table has, and those parts of others that one bent request cannot show.
ELSEWHERE: dict[str, tuple[str, ...]] = {
    "T6": ("test_ingress_listener.py::test_t6_no_ticket_is_given_and_nothing_resumed",),
    "T7": (
        "test_revocation_documents.py::test_a_list_that_may_not_be_believed",
        "test_revocation_refresh.py::test_a_list_that_is_not_believed_changes_nothing_and_the_state_ages",
        "test_ingress_registry.py::test_revocations_that_nobody_read_again_stop_every_request",
    ),
    "T8": (
        "test_ingress_listener.py::test_t8_only_tls_1_3_is_spoken",
        "test_ingress_listener.py::test_t8_weak_suites_are_not_spoken",
    ),
    "J6": ("test_trust_jwks.py::test_another_answer_is_refused",),
    "J16": ("test_ingress_identity.py::test_sixteen_at_once_and_one_is_accepted",),
    "J19": (
        "test_trust_jwks.py::test_another_answer_is_refused",
        "test_trust_jwks.py::test_no_redirect_is_followed",
        "test_trust_jwks.py::test_a_slow_body_and_a_dead_server_end_in_time",
        "test_ingress_registry.py::test_keys_of_the_issuer_past_their_age_are_not_believed",
    ),
    "J20": (
        "test_ingress_negative_token.py::test_j20_thirty_unknown_kids_are_one_fetch_at_most",
        "test_ingress_registry.py::test_a_new_issuer_key_is_learnt_and_unknown_ones_fetch_once",
        "test_trust_jwks.py::test_rotation",
    ),
    "J21": (
        "test_ingress_registry.py::test_dev_is_for_a_development_environment_alone",
        "test_ingress_registry.py::test_settings_that_would_believe_too_much_are_named",
        "test_trust_jwks.py::test_published_keys_are_refused",
    ),
    "D6": ("test_ingress_identity.py::test_sixteen_at_once_and_one_is_accepted",),
    "B3": ("test_trust_signatures.py::test_another_request_is_refused",),
    "B4": ("test_trust_signatures.py::test_a_secret_has_32_random_bytes",),
    "B7": (
        "test_ingress_framing_tls.py::test_bad_framing_is_refused_once_and_the_connection_closed",
        "test_ingress_framing_tls.py::test_b7_a_body_that_drips_is_cut_off",
    ),
    "B8": (
        "test_ingress_listener_bounds.py::test_b8_idle_connections_do_not_stop_others_and_end",
        "test_ingress_listener_bounds.py::test_b8_a_head_that_does_not_end_is_cut_off_without_an_answer",
    ),
    "B9": (
        "test_ingress_negative_body.py::test_b9_what_cannot_be_parsed_is_counted_and_not_attested",
        "test_ingress_framing_tls.py::test_b9_a_pipelined_request_stands_alone",
    ),
    "B12": ("test_ingress_framing_tls.py::test_b12_an_upgrade_is_not_made",),
}


@pytest.mark.parametrize("row", [f"{letter}{number}" for letter, last in ROWS.items() for number in range(1, last + 1)])
def test_every_row_has_a_case_or_a_named_test(row: str) -> None:
    cases = [name for table in TABLES for name in table if name.split(" ")[0] == row]
    assert cases or row in ELSEWHERE


@pytest.mark.parametrize("row", ELSEWHERE)
def test_every_named_test_exists(row: str) -> None:
    for named in ELSEWHERE[row]:
        module, test = named.split("::")
        tree = ast.parse((Path(__file__).parent / module).read_text(encoding="utf-8"))
        assert test in {node.name for node in tree.body if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))}


def test_every_case_names_a_row() -> None:
    named = {name.split(" ")[0] for table in TABLES for name in table} | ELSEWHERE.keys()
    assert named == {f"{letter}{number}" for letter, last in ROWS.items() for number in range(1, last + 1)}
