"""From `docker run` to a server that serves, and what runs beside it: entry point, supervisor, admin, health.

Uses every room; none uses it.
"""
