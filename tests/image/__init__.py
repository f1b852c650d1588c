"""Tests on real containers. A package, so that its modules may share their names with those of tests/integration."""
