"""The resident process beside the server: in which order things are done, and what is told of them.

What is done to the server belongs to provisioning. Uses all rooms but boot, proxy, status and handlers.
"""
