"""The table "Who can do what" (docs/explanation/security.md): each sentence has tests, and each of them is there."""

from __future__ import annotations

import ast
from pathlib import Path

TESTS = Path(__file__).parents[1]
SECURITY = TESTS.parent / "docs" / "explanation" / "security.md"

STRANGER, MEMBER, POOL, RPC_KEY, TENANT = (
    f"hostile/test_{name}.py::test_" for name in ("stranger", "member", "pool", "rpc_key", "tenant")
)
OWN = "backup/test_own.py::test_"
CONSOLE, LOOKED_AT = "unit/console/test_", "example/test_console.py::test_"
QUOTA = "image/test_quota.py::test_"
ROLES, COPIES = "image/test_roles.py::test_", "image/test_copies.py::test_"
NOTHING_FOREIGN = (
    f"{MEMBER}a_bare_request_makes_an_empty_database_and_takes_none",
    f"{MEMBER}sql_and_shell_in_requests",
    f"{MEMBER}the_servers_own_schemas",
)
NOBODY_WAITS = (
    f"{MEMBER}one_message_with_thousands_of_names",
    f"{MEMBER}a_flood_ends_nothing_and_passes",
    "faults/test_hostile.py::test_good_requests_are_served_in_a_flood_of_bad_ones",
    f"{MEMBER}a_server_that_cannot_be_costs_nobody_else",
    f"{MEMBER}a_time_at_the_end_of_the_clock",
    f"{MEMBER}names_that_are_files",
)

SHOWN: dict[str, tuple[str, ...]] = {
    # Without the gossip key.
    "connect to the open ports": (
        f"{STRANGER}only_the_doors_that_are_meant_are_open", f"{STRANGER}garbage_on_every_port",
    ),
    "read or send gossip": (f"{STRANGER}gossip_is_shut_without_its_key",),
    "command an agent": (f"{STRANGER}rpc_without_the_key_answers_nothing",),
    "log in": (f"{STRANGER}no_password_of_nobodys_opens_the_server",),
    "end the database server, or keep it from answering others for good": (
        f"{STRANGER}gossip_frames", f"{STRANGER}rpc_frames_before_any_key", f"{STRANGER}members_that_cannot_be",
        f"{STRANGER}all_connections_held_without_a_login", f"{STRANGER}slow_clients_of_the_metrics",
        f"{STRANGER}one_message_with_thousands_of_names", f"{STRANGER}times_at_the_end_of_the_clock", *NOBODY_WAITS,
    ),
    # A member.
    "read all gossip": (f"{MEMBER}it_hears_all_gossip_and_no_password",),
    "make empty databases within the owner's policy (`DBHANDLER_REQUIRE_SEALED=1`: no longer)": (
        f"{MEMBER}a_bare_request_makes_an_empty_database_and_takes_none",
        "image/test_accounts.py::test_bare_names_are_refused_where_a_box_is_required",
    ),
    "claim an account on a database that is empty and nobody's": (
        f"{MEMBER}a_bare_request_makes_an_empty_database_and_takes_none",
    ),
    "pretend to be a server: applications wait for it, or are taken in and give it their passwords and data": (
        f"{MEMBER}an_impostor_can_take_an_application_in",
    ),
    "slow the answers down by more messages than Serf's handlers take (some 50 a second), while they last": (
        f"{MEMBER}a_flood_ends_nothing_and_passes",
    ),
    "open a box for another server": (
        f"{MEMBER}an_impostor_reads_no_box_that_is_not_for_it", f"{MEMBER}it_hears_all_gossip_and_no_password",
    ),
    "reach a database, account or grant that is another's": NOTHING_FOREIGN,
    "drop or rotate anything": (f"{MEMBER}no_drop_and_no_rotation_without_a_proof",),
    "write to a log or terminal what is not shown as its words": (
        f"{MEMBER}nothing_that_members_say_works_on_a_terminal", f"{MEMBER}a_hostile_answer_ends_in_a_sentence",
        f"{MEMBER}answers_of_an_impostor_in_the_table_of_servers",
    ),
    # A member, where servers have a secret and applications know its pool.
    "take in an application that is told nothing, and asks for the first time": (
        f"{POOL}who_knows_nothing_can_be_taken_in",
    ),
    "make applications wait, by answering from a server's own network under its name": (
        f"{POOL}answers_in_a_servers_place",
    ),
    "show `unproven` rows in `dbhandler-status`": (f"{POOL}whoever_copies_a_servers_tags_is_not_asked",),
    "be asked for a database beside the servers": (f"{POOL}whoever_copies_a_servers_tags_is_not_asked",),
    "be believed by a proof that is copied, a stranger's, or older than an hour": (
        f"{POOL}whoever_copies_a_servers_tags_is_not_asked", f"{POOL}a_proof_is_believed_for_its_time_only",
    ),
    "have an answer believed, even in a server's place": (
        f"{POOL}answers_in_a_servers_place", f"{POOL}who_knows_nothing_believes_no_copy",
    ),
    "open a box, or get a password": (
        f"{POOL}answers_in_a_servers_place", f"{POOL}who_knows_nothing_believes_no_copy",
    ),
    "keep applications from going on while the secret is changed": (
        f"{POOL}the_secret_is_changed_and_nobody_stands_outside",
    ),
    # The RPC key.
    "what a member can, from outside the gossip": (f"{MEMBER}sql_and_shell_in_requests",),
    "at that agent, read and replace the gossip key": (f"{RPC_KEY}it_reads_and_replaces_the_gossip_key",),
    "change tags": (f"{RPC_KEY}tags_are_put_right",),
    "make it leave, or force others out": (f"{RPC_KEY}leaving_in_its_place", f"{RPC_KEY}forced_out"),
    "answer in its place": (f"{RPC_KEY}it_answers_in_the_place_of_the_agent",),
    "open a database, drop or rotate it": (f"{RPC_KEY}it_opens_no_database",),
    "end the database server": (
        f"{RPC_KEY}disconnects_while_handlers_run", f"{RPC_KEY}frames_after_the_key", f"{RPC_KEY}leaving_in_its_place",
        f"{RPC_KEY}commands_that_are_none",
    ),
    # A captured message.
    "send it again, which changes nothing: a box opens on one server only, is worth nothing for another database": (
        f"{MEMBER}a_captured_box_is_worth_nothing_else",
        "image/test_accounts.py::test_a_refusal_has_a_reason_and_changes_nothing",
    ),
    "a box that rotates or drops dies after a minute, and works once": (
        f"{MEMBER}a_captured_rotation_dies_and_a_captured_drop_works_once",
    ),
    "so does one that gives, renews or takes an account": (
        f"{ROLES}a_box_that_somebody_has_seen_is_worth_nothing",
        f"{MEMBER}a_captured_rotation_dies_and_a_captured_drop_works_once",
    ),
    "read what is in it": (f"{MEMBER}an_impostor_reads_no_box_that_is_not_for_it",),
    # An account.
    "everything in that one database (MySQL: but no triggers and functions, while it writes a binary log)": (
        f"{TENANT}it_does_everything_in_its_own_database",
    ),
    "rotate it": (f"{TENANT}it_rotates_and_drops_it",),
    "drop it with `DBHANDLER_ALLOW_DROP=1`": (
        f"{TENANT}it_rotates_and_drops_it",
        "image/test_accounts.py::test_no_drop_unless_the_owner_of_the_server_allows_it",
    ),
    "have it restored as it was in its own time, beside itself, with `DBHANDLER_ALLOW_RESTORE=1`": (
        f"{OWN}an_application_restores_its_own", f"{OWN}a_new_owner_gets_nothing_of_the_former_one",
        f"{OWN}without_the_owner_s_word_there_is_nothing",
    ),
    "give others accounts in it, and take them away": (
        f"{ROLES}a_role_is_what_it_says", f"{ROLES}who_is_revoked_is_out_at_once",
    ),
    "copy it into another one of its own": (f"{COPIES}a_copy_holds_everything_and_is_its_owners_alone",),
    "give an account to another's database, or under a name that is taken": (
        f"{ROLES}nobody_gives_keys_to_anothers_database_or_takes_anothers_name",
    ),
    "copy another's": (f"{COPIES}nobody_else_gets_one",),
    "see any other, or another's password": (
        f"{OWN}a_tenant_gets_nothing_of_another",
        f"{TENANT}no_statement_reaches_further", f"{TENANT}a_routine_of_ones_own_reaches_no_further",
        f"{TENANT}nothing_that_the_server_shows_tells_of_others", f"{TENANT}guessed_passwords_open_nothing",
        f"{TENANT}no_account_of_the_servers_opens_over_tcp",
        f"{TENANT}neither_drop_nor_restore_carries_out_what_names_say",
    ),
    "keep a name, or get one on which somebody has a grant": (
        f"{TENANT}a_grant_outlives_no_database", f"{TENANT}a_half_that_is_left_is_nobody_elses",
        f"{TENANT}nothing_is_made_under_a_name_that_another_may_read", f"{TENANT}a_session_of_before_reads_nothing",
        f"{TENANT}another_accounts_name_opens_nothing", f"{TENANT}names_that_differ_by_their_case_only",
    ),
    "write outside of the server's data": (f"{TENANT}nothing_is_written_outside_of_the_data_directory",),
    "take all connections for itself, or hold requests of others up": (
        f"{TENANT}one_accounts_connections_leave_room_for_others",
        f"{TENANT}several_accounts_that_take_all_keep_no_request_waiting",
        f"{TENANT}drops_of_a_locked_database_hold_nobody_up",
    ),
    "write on when it is over its quota (`DBHANDLER_QUOTA_BYTES`), but for the seconds until that is seen": (
        f"{QUOTA}over_it_nobody_writes_and_everybody_reads", f"{QUOTA}no_table_is_hidden_among_those_of_all",
        f"{QUOTA}tables_that_are_filled_and_emptied_in_turn_fill_no_disk",
        f"{QUOTA}who_gets_an_account_meanwhile_writes_no_more_than_others",
    ),
    # An account that an owner has given.
    "what its role says, until its end": (
        f"{ROLES}a_role_is_what_it_says", f"{ROLES}an_account_ends_with_its_sessions_and_nobody_elses",
        f"{ROLES}what_ended_while_the_server_or_the_agent_was_away_is_gone_when_they_are_back",
    ),
    "change its own password": (f"{ROLES}who_has_a_role_proves_it_and_has_no_say_in_the_database",),
    "do anything that its role does not say": (
        f"{ROLES}a_role_is_what_it_says", f"{TENANT}an_account_that_was_given_reaches_no_further",
    ),
    "renew itself, give, list or take accounts": (
        f"{ROLES}who_has_a_role_proves_it_and_has_no_say_in_the_database",
    ),
    "drop, copy or restore the database": (
        f"{ROLES}who_has_a_role_proves_it_and_has_no_say_in_the_database", f"{COPIES}nobody_else_gets_one",
        f"{OWN}who_was_given_an_account_restores_nothing",
    ),
    # The console.
    "see that there is one, and try passwords, ten a minute": (
        f"{CONSOLE}app.py::test_without_a_session_there_is_nothing_but_the_log_in",
        f"{CONSOLE}guard.py::test_after_some_wrong_ones_an_address_waits_and_no_other_does",
    ),
    "see anything of the cluster without a login": (
        f"{CONSOLE}app.py::test_without_a_session_there_is_nothing_but_the_log_in",
        f"{CONSOLE}cli.py::test_beyond_this_host_there_is_always_a_password",
        f"{CONSOLE}guard.py::test_a_proxy_says_who_it_is_and_nobody_else_does",
    ),
    "have a browser of somebody else's do something there": (
        f"{CONSOLE}app.py::test_only_our_own_form_does_anything",
        f"{CONSOLE}app.py::test_another_sites_form_does_not_log_in",
    ),
    "have one read it under another name": (f"{CONSOLE}app.py::test_another_name_for_this_host_reads_nothing",),
    "keep others from the page": (
        f"{CONSOLE}app.py::test_readers_that_hang_do_not_keep_others_out",
        f"{CONSOLE}app.py::test_large_and_odd_requests_are_refused",
    ),
    "be shown, with its name and words": (f"{LOOKED_AT}a_hostile_member_says_what_it_likes_and_does_nothing",),
    "run anything in the browser, or load anything into it": (
        f"{LOOKED_AT}a_hostile_member_says_what_it_likes_and_does_nothing",
        f"{LOOKED_AT}a_member_without_the_secret_is_shown_as_that",
        f"{CONSOLE}app.py::test_what_a_member_says_is_text",
        f"{CONSOLE}app.py::test_every_answer_keeps_the_browser_from_doing_more",
    ),
    "push what is true out of sight": (
        f"{CONSOLE}sight.py::test_made_up_members_do_not_push_true_ones_out_of_sight",
    ),
    "make it slow": (
        f"{CONSOLE}judged.py::test_thousands_of_made_up_nodes_cost_no_time", f"{LOOKED_AT}three_hundred_servers",
    ),
    # The admin.
    "everything": (f"{TENANT}the_admin_does_everything",),
}  # fmt: skip


def sentences() -> set[str]:
    """What the cells of the table say, cut at their semicolons."""
    section = SECURITY.read_text().partition("## Who can do what")[2].partition("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("|")][2:]
    cells = [cell for row in rows for cell in row.strip("|").split("|")[1:]]
    return {sentence.strip() for cell in cells for sentence in cell.split(";")} - {""}


def function_names(file: Path) -> set[str]:
    return {node.name for node in ast.parse(file.read_text()).body if isinstance(node, ast.FunctionDef)}


def test_each_sentence_of_the_table_has_its_tests() -> None:
    assert sentences() == SHOWN.keys()
    assert all(SHOWN.values())


def test_each_test_that_is_named_is_there() -> None:
    named = {name for names in SHOWN.values() for name in names}
    there = {
        f"{file}::{test}"
        for file in {name.partition("::")[0] for name in named}
        for test in function_names(TESTS / file)
    }
    assert named - there == set()


def test_each_attack_shows_a_sentence_of_the_table() -> None:
    named = {name for names in SHOWN.values() for name in names}
    attacks = {
        f"hostile/{file.name}::{test}"
        for file in (TESTS / "hostile").glob("test_*.py")
        for test in function_names(file)
        if test.startswith("test_")
    }
    assert attacks - named == set()
