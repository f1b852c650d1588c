"""The directory of a pool: which server has which database, where a new one goes, and what the servers carry. It is a
database on one of the pool's servers, which all agents reach by the pool's secret and nobody else does."""
