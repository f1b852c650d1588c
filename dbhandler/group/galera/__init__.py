"""Galera's part: what its data directory says, its server's options, its state transfers, what its server tells."""
