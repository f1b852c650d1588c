"""The container's settings: their names, defaults and rules, read from the environment at one place.

What a setting does belongs to the room that does it. Uses requests and the ground.
"""
