"""The servers of a Serf cluster as a person sees them.

Asks as an application does and changes nothing. Uses client, serf and below.
"""
