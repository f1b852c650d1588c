"""What a first start makes in the server, as the official images' variables and init scripts ask for it.

The files of the data directory belong to volume. Uses provisioning, engine and below.
"""
