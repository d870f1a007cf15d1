"""Where the clients go, and who they are."""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass

from backstay.secret import Secret


@dataclass(frozen=True, slots=True)
class Address:
    """A host and port to connect to, and the name that its certificate must have."""

    host: str
    port: int
    name: str


@dataclass(frozen=True, slots=True)
class Credentials:
    """Whom a client trusts and who it is, as PEM; the key is never on a disk."""

    authority: bytes
    certificate: bytes
    key: Secret

    def context(self, protocol: str = "h2") -> ssl.SSLContext:
        """Return a context with them, for HTTP/2 unless another protocol is named (ALPN)."""
        context = ssl.create_default_context(cadata=self.authority.decode())
        context.set_alpn_protocols([protocol])
        # Python's ssl reads a pair from a file only; this one has no name and lives in memory.
        descriptor = os.memfd_create("client", os.MFD_CLOEXEC)
        try:
            with os.fdopen(os.dup(descriptor), "wb") as file:
                file.write(self.certificate + b"\n" + self.key.reveal())
            context.load_cert_chain(f"/proc/self/fd/{descriptor}")
        finally:
            os.close(descriptor)
        return context


@dataclass(frozen=True, slots=True)
class Access:
    """All ways into a cluster: the endpoint, apiservers and members by host, and the Service.

    `service` is None where the Service's address cannot be reached from here.
    """

    endpoint: Address
    planes: Mapping[str, Address]
    members: Mapping[str, Address]
    kubernetes: Credentials
    etcd: Credentials
    service: Address | None = None
