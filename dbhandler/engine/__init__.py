"""The database server, as a process and as SQL: the one room that knows the driver, and MariaDB from MySQL.

Who may have which database is decided in provisioning. Uses settings and below, but no Serf.
"""
