"""What Serf starts for each event and query: hands the payload over and exits.

One process each time: nothing here may be slow to import. Uses the ground and requests only.
"""
