"""Whose address a request has, and which addresses are one caller."""

from __future__ import annotations

import ipaddress

from django.http import HttpRequest

from django_kaleyra_otp.conf import conf


def of(request: HttpRequest) -> str:
    """Return the caller's address, or "" where it cannot be read.

    With ``NUM_PROXIES`` 0 it is ``REMOTE_ADDR``, whatever headers say; else the entry of
    ``X-Forwarded-For`` that the outermost proxy of ours wrote (Django REST framework's rule).
    """
    proxies = conf.NUM_PROXIES
    forwarded = request.META.get("HTTP_X_FORWARDED_FOR")
    if proxies == 0 or forwarded is None:
        return clean(request.META.get("REMOTE_ADDR", ""))
    hops = forwarded.split(",")
    return clean(hops[-min(proxies, len(hops))])


def given(ip: str | None, request: HttpRequest | None) -> str | None:
    """Return the address that a caller named, else that of the request; None where there is neither."""
    if ip is not None:
        return clean(ip)
    return of(request) if request is not None else None


def clean(text: str | None) -> str:
    """Return an address in its one spelling, or "" for what is none.

    A port, brackets and an IPv6 zone are dropped; an IPv4 address mapped into IPv6 is IPv4.
    """
    text = (text or "").strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return ""
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return str(address)


def network(ip: str) -> str:
    """Return who an address counts as: itself, or its /64 for IPv6; "" is everybody without one."""
    if ":" not in ip:
        return ip
    return str(ipaddress.ip_network((ip, 64), strict=False))
