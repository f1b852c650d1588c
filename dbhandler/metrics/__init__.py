"""How metrics are served to Prometheus, whoever measures them.

Uses settings and below. The library is loaded only where DBHANDLER_METRICS is set.
"""
