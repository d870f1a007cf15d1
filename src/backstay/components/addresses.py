"""Addresses as they stand in URLs and command lines, and the ports that components listen on."""

from __future__ import annotations

from enum import IntEnum

from backstay.spec.model import ClusterSpec, IPAddress

V6 = 6


class Port(IntEnum):
    """Ports that are the same on every host; Kubernetes' and etcd's own defaults."""

    APISERVER = 6443
    ETCD_CLIENT = 2379
    ETCD_PEER = 2380
    ETCD_METRICS = 2381
    PROXY_METRICS = 10249
    PROXY_HEALTH = 10256


def socket_text(host: IPAddress | str, port: int) -> str:
    """Return `host:port`, an IPv6 address in brackets."""
    return f"[{host}]:{port}" if ":" in str(host) else f"{host}:{port}"


def https(host: IPAddress | str, port: int) -> str:
    """Return the URL of a service that speaks TLS."""
    return f"https://{socket_text(host, port)}"


def endpoint_url(spec: ClusterSpec) -> str:
    """Return the URL under which everyone but the control plane itself finds the API."""
    return https(spec.endpoint.host, spec.endpoint.port)


def local_apiserver() -> str:
    """Return the URL of the apiserver on the same host."""
    return https("127.0.0.1", Port.APISERVER)


def everywhere(address: IPAddress) -> str:
    """Return the address that means all addresses of the host, in the family of this one."""
    return "::" if address.version == V6 else "0.0.0.0"  # noqa: S104  # the API is for all
