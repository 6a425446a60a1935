# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A TLS server for tests that reads its pair when it is told to, and can be one that does not."""

from __future__ import annotations

import contextlib
import hashlib
import socket
import ssl
import threading
import typing as t


class TlsServer:
    """Serves the pair in a directory on a port of this machine; `reload` is what a signal would do."""

    def __init__(self, directory: str) -> None:
        self.directory = directory
        self.context = self._load()
        self.deaf = False
        """Does not read the files again when it is told to."""
        self.refuses: t.Collection[str] = ()
        """Fingerprints of certificates that it serves wrongly: it serves nothing then."""
        self.reloads = 0
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.endpoint = f"127.0.0.1:{self.socket.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _load(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.directory + "/tls.crt", self.directory + "/tls.key")
        return context

    def reload(self) -> None:
        self.reloads += 1
        if not self.deaf:
            self.context = self._load()

    def _serve(self) -> None:
        while True:
            try:
                plain, dummy = self.socket.accept()
            except OSError:
                return
            with contextlib.suppress(OSError), plain:
                plain.settimeout(5)
                with self.context.wrap_socket(plain, server_side=True) as secured:
                    secured.recv(1)

    def shows(self, bundle: str = "", name: str = "") -> str:
        """The fingerprint that a client sees; one with a bundle verifies as clients do."""
        context = ssl.create_default_context(cafile=bundle) if bundle else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        if not bundle:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        host, dummy, port = self.endpoint.rpartition(":")
        plain = socket.create_connection((host, int(port)), timeout=5)
        with plain, context.wrap_socket(plain, server_hostname=name or None) as secured:
            return hashlib.sha256(secured.getpeercert(binary_form=True) or b"").hexdigest()

    def close(self) -> None:
        """Not before its thread has ended: that would go on with the next socket of the same number."""
        with contextlib.suppress(OSError):  # closed before
            self.socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(10)
        self.socket.close()
