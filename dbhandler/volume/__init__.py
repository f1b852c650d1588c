"""The two volumes before a server runs on them: filled, taken over, upgraded, recognised or refused.

What depends on other nodes belongs to group. Uses first_start and below.
"""
