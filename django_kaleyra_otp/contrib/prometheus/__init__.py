"""Metrics for Prometheus, fed by the signals.

Add ``django_kaleyra_otp.contrib.prometheus`` to ``INSTALLED_APPS``, or call ``metrics.connect()``; serve
them as prometheus_client says. Labels are purposes, routes, countries and statuses: never a number.
"""
