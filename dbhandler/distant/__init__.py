"""Reads another server of the pool from afar: as the account that reads everything, its binary log, what it holds.

Uses engine, serf and trust; writes nothing, and knows of no repository.
"""
