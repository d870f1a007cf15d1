"""How the apiserver encrypts what it stores."""

from __future__ import annotations

import base64

from backstay.secret import Secret

KEY_BYTES = 32
"""What secretbox (XSalsa20 and Poly1305) takes."""


def encryption_config(key: bytes) -> Secret:
    """Return the apiserver's EncryptionConfiguration: Secrets sealed with secretbox.

    `key` is 32 random bytes. `identity` stands second so that what was written before is read.
    """
    if len(key) != KEY_BYTES:
        message = f"a key of secretbox has {KEY_BYTES} bytes, not {len(key)}"
        raise ValueError(message)
    lines = (
        "apiVersion: apiserver.config.k8s.io/v1",
        "kind: EncryptionConfiguration",
        "resources:",
        "  - resources: [secrets]",
        "    providers:",
        "      - secretbox:",
        "          keys:",
        "            - name: key1",
        f"              secret: {base64.b64encode(key).decode()}",
        "      - identity: {}",
        "",
    )
    return Secret("\n".join(lines).encode())
