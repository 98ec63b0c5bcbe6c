"""No row of the ingress requirements is without a negative test: T1 to T11, J1 to J21, D1 to D8, B1 to B16, E1 to E9."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests import (
    test_ingress_negative_body,
    test_ingress_negative_dpop,
    test_ingress_negative_operations,
    test_ingress_negative_token,
    test_ingress_negative_transport,
)

ROWS = {"T": 11, "J": 21, "D": 8, "B": 16, "E": 9}
TABLES = (
    test_ingress_negative_transport.CASES,
    test_ingress_negative_transport.CONNECTIONS,
    test_ingress_negative_token.CASES,
    test_ingress_negative_dpop.CASES,
    test_ingress_negative_dpop.DEMANDED,
    test_ingress_negative_body.CASES,
    test_ingress_negative_operations.CASES,
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
    "B15": ("test_ingress_negative_operations.py::test_e2_a_rolled_back_transaction_burns_no_proof",),
    "B16": ("test_ingress_negative_operations.py::test_e2_a_rolled_back_transaction_burns_no_proof",),
    "E1": (
        "test_ingress_negative_operations.py::test_e1_ten_times_the_load_is_shed_and_what_is_accepted_is_quick",
        "test_ingress_negative_operations.py::test_e1_a_slow_database_opens_the_breaker_and_loses_no_accept",
        "test_ingress_breaker.py::test_lets_exactly_one_probe_through",
        "test_ingress_identity.py::test_a_certificate_has_its_rate_and_what_is_above_is_counted",
        "test_ingress_crashes.py::test_503_while_the_database_is_down_and_recovery_after",
    ),
    "E2": (
        "test_ingress_negative_operations.py::test_e2_a_rolled_back_transaction_burns_no_proof",
        "test_ingress_negative_operations.py::test_e2_the_ingress_tries_again_with_the_same_proof",
        "test_ingress_negative_operations.py::test_e2_a_backend_that_dies_at_a_step_is_a_503_and_the_retry_is_clean",
        "test_ingress_negative_operations.py::test_e2_a_commit_whose_answer_is_lost_is_no_acknowledgement",
        "test_ingress_negative_operations.py::test_e2_without_a_connection_nothing_is_acknowledged",
        "test_ingress_crashes.py::test_kill_9_with_a_half_full_batch_and_a_clean_retry",
    ),
    "E3": (
        "test_ingress_negative_operations.py::test_e3_a_hundred_refusals_of_an_outage_are_counted_once",
        "test_ingress_negative_operations.py::test_e3_with_its_breaker_open_the_ingress_judges_nothing_and_says_how_much",
        "test_refusal_counter.py::test_100_refusals_of_an_outage_survive_a_crash_exactly_once",
    ),
    "E4": (
        "test_log_scrub.py::test_no_log_line_and_no_row_holds_a_secret_or_a_person",
        "test_ingress_negative_operations.py::test_e4_a_row_says_who_what_when_and_why",
        "test_ingress_negative_operations.py::test_e4_raw_line_ends_in_a_field_make_no_second_field",
    ),
    "E5": (
        "test_ingress_negative_operations.py::test_e5_the_writer_changes_and_reads_no_ledger",
        "test_ingress_negative_operations.py::test_e5_nor_does_a_superuser_by_an_ordinary_statement",
        "test_negative_ledgers.py::test_neg_aud_01_every_ledger_and_leaf_refuses_every_change",
        "test_negative_security.py::test_neg_sec_01_no_role_touches_a_table_or_leaf",
    ),
    "E6": (
        "test_ingress_negative_operations.py::test_e6_it_does_not_start_far_from_the_databases_clock",
        "test_ingress_negative_operations.py::test_e6_a_clock_that_jumps_accepts_nothing",
        "test_ingress_negative_operations.py::test_e6_how_old_it_is_what_the_ingress_believes_is_exported",
        "test_ingress_negative_operations.py::test_e6_it_does_not_start_on_revocations_that_are_not_fresh",
        "test_ingress_negative_operations.py::test_e6_revocations_that_nobody_confirms_grow_old",
        "test_ingress_registry.py::test_revocations_that_nobody_read_again_stop_every_request",
        "test_replay_races.py::test_a_clock_set_back_opens_no_closed_bucket",
        "test_alerts.py::test_what_goes_stale_has_a_rule_below_its_limit",
    ),
    "E7": (
        "test_ingress_negative_operations.py::test_e7_a_revocation_is_a_row_a_notification_and_a_refusal",
        "test_ingress_identity.py::test_the_start_and_the_end_are_recorded",
        "test_cert_command.py::test_a_certificate_is_registered_once_listed_and_revoked_for_ever",
    ),
    "E8": (
        "test_ingress_negative_operations.py::test_e8_a_revocation_that_was_not_heard_of_ends_its_certificate_at_the_next_request",
        "test_ingress_negative_operations.py::test_e8_a_database_that_pauses_stops_every_request",
        "test_ingress_negative_operations.py::test_e8_after_a_restart_the_revocation_holds",
        "test_ingress_registry.py::test_the_cache_finds_its_way_back_and_polls_what_was_not_announced",
    ),
    "E9": (
        "test_ingress_negative_operations.py::test_e9_the_writer_becomes_nobody_else",
        "test_ingress_negative_operations.py::test_e9_a_lease_that_ends_in_mid_transaction_takes_the_transaction_with_it",
        "test_bao_logins.py::test_a_login_is_its_capability_and_nothing_else",
        "test_ingress_capabilities.py::test_the_login_of_one_capability_can_do_nothing_else",
    ),
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
