"""The application's side: asks the cluster for a database and keeps what was answered.

Needs neither a server nor its driver. Uses serf, requests and below. The names in this file are the public ones; all
else may change.
"""

from dbhandler.client.asking import request_database

__all__ = ["request_database"]
