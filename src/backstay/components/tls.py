"""What every listener of the control plane demands of a connection (CIS 1.2.29, 4.2.12).

TLS 1.3 chooses its own suites; these are for TLS 1.2: forward secrecy and authenticated
encryption only, in Go's names.
"""

from __future__ import annotations

CIPHER_SUITES = (
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
)
MINIMUM_VERSION = "VersionTLS12"

FLAGS = {
    "tls-min-version": MINIMUM_VERSION,
    "tls-cipher-suites": ",".join(CIPHER_SUITES),
}
"""The flags that all Kubernetes components share."""
