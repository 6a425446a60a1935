# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Networks and addresses. netaddr reads each network once; the addresses of its hosts are sums of integers."""

from __future__ import annotations

import dataclasses
import re
import typing as t

try:
    from netaddr import INET_PTON, AddrFormatError, IPAddress, IPNetwork
    from netaddr.strategy import ipv4, ipv6

    NETADDR_ERROR: ImportError | None = None
except ImportError as exc:
    NETADDR_ERROR = exc

_LABEL = r"[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9])?"
_NAME = re.compile(rf"(?=.{{1,253}}$){_LABEL}(\.{_LABEL})*\.?")
_PORT = re.compile(r"(?:\[(?P<v6>[^\]]+)\]|(?P<host>[^:]+)):(?P<port>[0-9]+)")
DHCP = "dhcp"


class AddressError(ValueError):
    """Not a network or an address; the message says what is allowed."""


@dataclasses.dataclass(frozen=True)
class Network:
    """A CIDR block as integers."""

    text: str
    version: int
    first: int
    size: int

    @property
    def last(self) -> int:
        return self.first + self.size - 1

    @property
    def numbers(self) -> tuple[int, int]:
        """The host numbers that may be used: without the network's own and, in IPv4, the broadcast address."""
        if self.size <= 2:
            return (0, self.size - 1)
        return (1, self.size - 2 if self.version == 4 else self.size - 1)

    def address(self, number: int) -> str:
        return to_text(self.version, self.first + number)

    def __contains__(self, value: tuple[int, int]) -> bool:
        return value[0] == self.version and self.first <= value[1] <= self.last

    def overlaps(self, other: Network) -> bool:
        return self.version == other.version and self.first <= other.last and other.first <= self.last


def to_text(version: int, value: int) -> str:
    return (ipv4 if version == 4 else ipv6).int_to_str(value)


def network(text: str) -> Network:
    """A CIDR block; AddressError with what is allowed otherwise."""
    allowed = "a network with its prefix length, such as 10.20.1.0/24 or 2001:db8:1::/64"
    if not re.fullmatch(r"[0-9a-fA-F:.]+/[0-9]+", text):
        raise AddressError(allowed)
    try:
        found = IPNetwork(text)
    except (AddrFormatError, ValueError) as exc:
        raise AddressError(allowed) from exc
    if found.ip != found.network:
        raise AddressError(f"{allowed}; the network of this address is {found.cidr}")
    return Network(str(found.cidr), found.version, int(found.first), int(found.size))


@dataclasses.dataclass(frozen=True)
class Endpoint:
    """Where a host is reached: an IP address (version and value known) or a name, and a port where not the usual."""

    host: str
    port: int | None = None
    ip: tuple[int, int] | None = None

    @property
    def identity(self) -> tuple[t.Any, ...]:
        """Equal for two spellings of one address."""
        return (self.ip or self.host.lower().rstrip("."), self.port)


def endpoint(text: str) -> Endpoint:
    """`203.0.113.7`, `2001:db8::7`, `gw.example.com`, each with `:2222` where needed (`[2001:db8::7]:2222`)."""
    allowed = "an IP address or a host name, with :port where needed ([address]:port for IPv6)"
    match, port = _PORT.fullmatch(text), None
    host = text
    if match:
        host, port = match["v6"] or match["host"], int(match["port"])
        if not 1 <= port <= 65535:
            raise AddressError("a port from 1 to 65535")
    try:
        address = IPAddress(host, flags=INET_PTON)
    except (AddrFormatError, ValueError):
        # Digits and dots alone are an address with a mistake in it, never a name.
        if re.fullmatch(r"[0-9.]+", host) or not _NAME.fullmatch(host):
            raise AddressError(allowed) from None
        return Endpoint(host, port)
    return Endpoint(str(address), port, (address.version, int(address)))
