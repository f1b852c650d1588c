"""What the owner of a pool does with it on the command line. Uses serf, trust and below."""
