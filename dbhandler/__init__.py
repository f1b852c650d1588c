"""Databases as a self-service for the containers of a Serf cluster."""

__version__ = "0.2.0"
