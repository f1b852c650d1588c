"""Each line of the tables of what is taken of the official images has a test, in a real container."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/reference/official-variables.md"
SUITES = ("test_official.py", "test_official_rest.py", "test_replication.py", "test_volumes.py", "test_hardening.py")

TESTED = {
    "*_ROOT_PASSWORD": "test_root_needs_its_password_everywhere",
    "*_RANDOM_ROOT_PASSWORD": "test_a_generated_root_password_that_serves_once",
    "*_ALLOW_EMPTY_ROOT_PASSWORD": "test_an_empty_root_password_and_a_root_at_home",
    "one of these": "test_what_is_half_or_contradictory_is_refused_and_changes_nothing",
    "none of those for root": "test_a_user_beside_our_own_admin",
    "*_ROOT_PASSWORD_HASH": "test_hashes_in_place_of_passwords",
    "*_ROOT_HOST": "test_an_empty_root_password_and_a_root_at_home",
    "*_ONETIME_PASSWORD": "test_a_generated_root_password_that_serves_once",
    "*_DATABASE": "test_databases_and_their_user",
    "*_DATABASES": "test_databases_and_their_user",
    "*_CHARACTER_SET": "test_databases_and_their_user",
    "MARIADB_HEALTHCHECK_GRANTS": "test_the_accounts_of_health_checks",
    "MARIADB_MYSQL_LOCALHOST_USER": "test_our_account_at_the_socket_is_the_one_that_is_asked_for",
    "*_INITDB_SKIP_TZINFO": "test_no_time_zones_and_the_container_s_own",
    "TZ": "test_no_time_zones_and_the_container_s_own",
    "MARIADB_AUTO_UPGRADE": "test_an_older_servers_volume_is_upgraded_after_a_backup",
    "*_INITDB_ARGS": "test_what_is_half_or_contradictory_is_refused_and_changes_nothing",
    "LD_PRELOAD": "test_another_allocator_is_the_servers",
    "*_REPLICATION_USER": "test_what_the_first_start_of_the_source_has_made_arrives_and_so_does_a_row",
    "*_MASTER_HOST": "test_what_the_first_start_of_the_source_has_made_arrives_and_so_does_a_row",
    "half of them": "test_what_is_half_or_contradictory_is_refused_and_changes_nothing",
    "those of other images": "test_what_is_half_or_contradictory_is_refused_and_changes_nothing",
    "run": "test_scripts_have_run_in_order_and_once",
    "lend sourced scripts": "test_scripts_packed_by_bzip2_and_old_ones",
    "unpack": "test_a_packed_data_directory_among_the_scripts_is_not_overlooked",
    "take options after the image's name": "test_options_and_files_of_settings",
    "healthcheck.sh": "test_the_official_health_check",
    "a clean server:": "test_whose_accounts_a_server_has",
    "check passwords by plugins": "test_who_sets_a_password_is_checked_and_requests_work",
    "encrypt at rest": "test_what_is_to_be_encrypted_at_rest_is_and_only_that",
    "auth_ed25519": "test_every_plugin_of_the_official_image_can_be_loaded",
    "connect": "test_every_plugin_of_the_official_image_can_be_loaded",
    "MySQL's plugins and components": "test_every_plugin_of_the_distribution_s_package_is_there",
    "mariadb-backup": "test_every_plugin_of_the_official_image_can_be_loaded",
}
"""How a line begins, up to the first mark or bracket -> the test of it."""


def beginnings() -> list[str]:
    """How each line of the page's tables begins."""
    cells = re.findall(r"^\| ([^|]+?) \|", PAGE.read_text(), re.MULTILINE)
    found = [re.split(r"[`(,]", cell.removeprefix("`"))[0].strip() for cell in cells]
    return [cell for cell in found if cell not in ("variable", "what they do there", "plugins")]


def test_every_line_has_a_test_and_every_test_is_there() -> None:
    assert sorted(beginnings()) == sorted(TESTED)
    there = {
        name
        for suite in SUITES
        for name in re.findall(r"^def (test_\w+)", (ROOT / "tests/image" / suite).read_text(), re.M)
    }
    assert set(TESTED.values()) - there == set()
