"""Tests, by what they need: unit needs nothing, integration real programs, the others containers."""
