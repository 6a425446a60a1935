# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A good fleet file to start from, and every kind of mistake in one."""

from __future__ import annotations

import copy
import typing as t

GOOD: dict[str, t.Any] = {
    "plugin": "physical_ai.edge.sites",
    "fleet": "acme",
    "rings": ["canary", "early", "broad"],
    "defaults": {"ansible_user": "edge"},
    "regions": {
        "eu-north": {
            "timezone": "Europe/Stockholm",
            "sites": {
                "kiruna": {
                    "ring": "canary",
                    "cidr": "10.20.1.0/24",
                    "zones": {"line-1": {"cidr": "10.20.1.0/26"}},
                    "connectivity": "intermittent",
                    "bandwidth": "20Mbit",
                    "gateway": "gw01",
                    "fetch_window": {"start": "20:00", "duration": "10h"},
                    "swap_window": {"days": ["sat", "sun"], "start": "02:00", "duration": "3h", "grace": "30m"},
                    "nodes": {
                        "gw01": {"host": 2, "uplink": "203.0.113.7", "hardware": "ipc"},
                        "cam[01:12]": {"first_host": 11, "hardware": "jetson-orin-nx", "zone": "line-1"},
                        "legacy": {"address": "cell7.kiruna.example.com", "hardware": "ipc"},
                    },
                },
                "lulea": {"ring": "broad", "cidr": "10.30.1.0/24", "nodes": {"box1": {"host": 5}}},
            },
        }
    },
}
KIRUNA = ("regions", "eu-north", "sites", "kiruna")
LULEA = ("regions", "eu-north", "sites", "lulea")
GW01 = (*KIRUNA, "nodes", "gw01")
CAM = (*KIRUNA, "nodes", "cam[01:12]")
DELETE = object()

BOX = {"ring": "broad", "cidr": "10.40.1.0/24", "nodes": {"box1": {"host": 5}}}
TWIN = {"ring": "broad", "cidr": "10.20.1.0/24", "gateway": "gw", "nodes": {"gw": {"host": 2, "uplink": "203.0.113.7"}}}
TWICE = {
    **TWIN,
    "via": "kiruna-gw01",
    "nodes": {"gw": {"host": 2, "uplink": "10.20.1.99", "via": "kiruna-gw01"}},
}
SUB = {"ring": "broad", "cidr": "192.168.7.0/24", "via": "kiruna-gw01", "nodes": {"box": {"host": 2}}}
ZONED = {"ring": "broad", "zones": {"z": {"cidr": "10.30.1.128/25"}}, "nodes": {"b": {"host": 2, "zone": "z"}}}

# (what is wrong, where, the wrong value, words that the message must have: place, key, found, allowed)
BAD: list[tuple[str, tuple[t.Any, ...], t.Any, tuple[str, ...]]] = [
    ("unknown key of the fleet", ("regoins",), {}, ("the fleet file", "regoins", "did you mean 'regions'")),
    ("unknown key of a region", ("regions", "eu-north", "timezon"), "UTC", ("region eu-north", "timezon", "timezone")),
    ("unknown key of a site", (*KIRUNA, "gatway"), "gw01", ("site kiruna", "gatway", "did you mean 'gateway'")),
    ("unknown key of a node", (*CAM, "hardwear"), "x", ("node cam[01:12]", "hardwear", "did you mean 'hardware'")),
    ("unknown key of a zone", (*KIRUNA, "zones", "line-1"), {"cird": "x"}, ("zone line-1", "cird", "cidr")),
    ("unknown key of a window", (*KIRUNA, "fetch_window", "lenght"), "1h", ("site kiruna", "lenght", "duration")),
    ("unknown ring", (*KIRUNA, "ring"), "canari", ("site kiruna", "'ring'", "canari", "canary, early, broad")),
    ("no ring", (*LULEA, "ring"), DELETE, ("lulea", "ring")),
    ("rings no list", ("rings",), "canary", ("'rings'", "the text 'canary'", "a list of names")),
    ("a ring twice", ("rings",), ["canary", "canary"], ("'rings'", "twice")),
    ("no plugin", ("plugin",), DELETE, ("'plugin'", "physical_ai.edge.sites")),
    ("no fleet", ("fleet",), DELETE, ("'fleet'", "nothing")),
    ("no region", ("regions",), {}, ("'regions'", "at least one region")),
    ("no node", (*LULEA, "nodes"), {}, ("site lulea", "'nodes'", "at least one node")),
    ("list for a dictionary", ("regions",), [1], ("'regions'", "a list", "a dictionary")),
    ("node is a text", (*LULEA, "nodes", "box1"), "10.30.1.5", ("node box1", "the text", "a dictionary")),
    ("bad network", (*KIRUNA, "cidr"), "10.20.1.0", ("site kiruna", "'cidr'", "10.20.1.0", "10.20.1.0/24")),
    ("host bits in a network", (*KIRUNA, "cidr"), "10.20.1.7/24", ("'cidr'", "10.20.1.7/24", "10.20.1.0/24")),
    ("number outside the network", (*GW01, "host"), 300, ("node gw01", "'host'", "300", "10.20.1.0/24")),
    ("range outside the network", (*CAM, "first_host"), 60, ("cam[01:12]", "60 to 71", "12 nodes")),
    (
        "address outside the network",
        (*GW01,),
        {"address": "10.9.9.9", "uplink": "203.0.113.7"},
        ("10.9.9.9", "10.20.1.0/24"),
    ),
    ("address twice", (*GW01, "host"), 11, ("10.20.1.11", "kiruna-cam01", "each address once")),
    ("number as text", (*GW01, "host"), "2", ("'host'", "the text '2'", "a whole number")),
    ("no address at all", (*LULEA, "nodes", "box1"), {}, ("node box1", "exactly one of host, first_host, address")),
    ("two ways to an address", (*LULEA, "nodes", "box1", "address"), "10.30.1.6", ("host and address", "exactly one")),
    ("host for a range", CAM, {"host": 11}, ("'host'", "12 nodes", "first_host")),
    ("host without a network", (*LULEA, "cidr"), DELETE, ("site without cidr", "address at the node")),
    ("gateway is no node", (*KIRUNA, "gateway"), "gw02", ("site kiruna", "'gateway'", "'gw02'", "did you mean 'gw01'")),
    ("gateway in a range", (*KIRUNA, "gateway"), "cam01", ("'gateway'", "range", "an entry of its own")),
    ("gateway without uplink", (*GW01, "uplink"), DELETE, ("node gw01", "'uplink'", "reached from outside")),
    ("uplink on another node", (*CAM, "uplink"), "203.0.113.8", ("'uplink'", "not its site's gateway")),
    ("unknown via", (*LULEA, "via"), "kiruna-gw1", ("site lulea", "'via'", "did you mean 'kiruna-gw01'")),
    ("via in a circle", (*KIRUNA, "via"), "kiruna-gw01", ("'via'", "a circle")),
    ("bad range", (*LULEA, "nodes", "box[3:1]"), {"first_host": 20}, ("box[3:1]", "begin is after its end")),
    (
        "range without partner",
        (*LULEA, "nodes", "box[3"),
        {"first_host": 20},
        ("box[3", "a bracket without its partner"),
    ),
    ("bad time of day", (*KIRUNA, "fetch_window", "start"), "25:00", ("fetch_window", "'start'", "25:00", "23:59")),
    ("unquoted time of day", (*KIRUNA, "fetch_window", "start"), 72000, ("'start'", "the number 72000", "quotes")),
    ("bad duration", (*KIRUNA, "fetch_window", "duration"), "ten", ("'duration'", "'ten'", "30m, 10h")),
    ("bad day", (*KIRUNA, "swap_window", "days"), ["satt"], ("'days'", "satt", "did you mean 'sat'")),
    ("window without start", (*KIRUNA, "fetch_window", "start"), DELETE, ("'start'", "required")),
    ("bad bandwidth", (*KIRUNA, "bandwidth"), "20", ("'bandwidth'", "'20'", "20Mbit")),
    ("bad time zone", (*LULEA, "timezone"), "Europe/Stokholm", ("Stokholm", "did you mean 'Europe/Stockholm'")),
    ("bad connectivity", (*KIRUNA, "connectivity"), "sometimes", ("'connectivity'", "sometimes", "intermittent")),
    ("bad when_offline", (*KIRUNA, "when_offline"), "fine", ("'when_offline'", "fine", "expected, error")),
    ("disconnected and error", KIRUNA, None, ("'when_offline'", "disconnected")),
    ("host name twice", (*LULEA, "nodes", "box[1:2]"), {"first_host": 20}, ("lulea-box1", "twice")),
    ("upper case in a node", (*LULEA, "nodes", "Box"), {"host": 9}, ("'Box'", "lower-case letters")),
    ("number as a node name", (*LULEA, "nodes", 7), {"host": 9}, ("the number 7", "quotes")),
    (
        "two groups of one name",
        (*LULEA, "nodes"),
        {"a": {"host": 1, "zone": "l-1"}, "b": {"host": 2, "zone": "l_1"}},
        ("l_1",),
    ),
    ("overlap of direct networks", (*KIRUNA, "gateway"), None, ("cidr", "overlaps", "routed directly")),
    ("label is a number", (*LULEA, "labels"), {"line": 1}, ("labels", "line", "the number 1", "quotes")),
    ("vars is a list", (*LULEA, "vars"), ["a"], ("'vars'", "a list", "a dictionary of variables")),
    ("variable that the plugin sets", (*LULEA, "vars"), {"edge_ring": "x"}, ("edge_ring", "use the key 'ring'")),
    ("bad name of a variable", (*LULEA, "vars"), {"my-var": 1}, ("my-var", "letters, digits and underscores")),
    ("way through the gateway dropped", (*LULEA, "vars"), {"ansible_ssh_extra_args": "-v"}, ("edge_ssh_args",)),
    ("unknown zone", (*CAM, "zone"), "lime-1", ("node cam[01:12]", "'zone'", "did you mean 'line-1'")),
    ("zone in no network", (*KIRUNA, "zones", "line-1", "cidr"), "10.20.1.0", ("zone line-1", "'cidr'", "10.20.1.0")),
    ("two zones overlap", (*KIRUNA, "zones", "line-2"), {"cidr": "10.20.1.32/27"}, ("line-2", "overlaps zone line-1")),
    ("duration without unit", (*KIRUNA, "fetch_window", "duration"), 10, ("'duration'", "the number 10", "the unit")),
    ("duration of nothing", (*KIRUNA, "fetch_window", "duration"), "0m", ("'duration'", "'0m'", "at most 7d")),
    ("day twice", (*KIRUNA, "swap_window", "days"), ["sat", "sat"], ("'days'", "a day twice")),
    ("window is a text", (*KIRUNA, "swap_window"), "night", ("swap_window", "the text 'night'", "a dictionary")),
    ("bandwidth is a number", (*KIRUNA, "bandwidth"), 20, ("'bandwidth'", "the number 20", "add the unit")),
    ("boolean for a text", (*LULEA, "ring"), True, ("site lulea", "'ring'", "the boolean true")),
    ("bad uplink", (*GW01, "uplink"), "203.0.113", ("node gw01", "'uplink'", "'203.0.113'", "an IP address")),
    ("bad port", (*GW01, "uplink"), "203.0.113.7:99999", ("node gw01", "'uplink'", "1 to 65535")),
    ("bad host name", (*LULEA, "nodes", "box1"), {"address": "box_1!"}, ("node box1", "'address'", "a host name")),
    ("too few addresses", CAM, {"address": "cam[1:3].example.com"}, ("'address'", "3 addresses for 12 nodes")),
    ("a letter in a number", (*LULEA, "nodes", "box[1:x]"), {"first_host": 9}, ("box[1:x]", "whole numbers")),
    ("step of nothing", (*LULEA, "nodes", "box[1:9:0]"), {"first_host": 9}, ("box[1:9:0]", "step '0'")),
    ("unequal lengths", (*LULEA, "nodes", "box[01:100]"), {"first_host": 9}, ("[01:100]", "the same length")),
    ("endless range", (*LULEA, "nodes", "box[1:99999999]"), {"first_host": 9}, ("more than 65536 names",)),
    ("host name too long", (*LULEA, "nodes", "b" * 60), {"host": 9}, ("66 characters", "at most 63")),
    ("site name with a dot", ("regions", "eu-north", "sites", "a.b"), {}, ("'a.b'", "lower-case letters")),
    ("region name with a space", ("regions", "eu north"), {}, ("'eu north'", "letters, digits")),
    ("site in two regions", ("regions", "x"), {"sites": {"lulea": BOX}}, ("site lulea", "two regions")),
    ("two regions of one group", ("regions", "eu_north"), {"sites": {"oulu": BOX}}, ("region_eu_north", "punctuation")),
    ("two gateways at one address", ("regions", "x"), {"sites": {"oulu": TWIN}}, ("203.0.113.7", "kiruna-gw01")),
    ("overlap behind one gateway", ("regions", "x"), {"sites": {"a": SUB, "b": SUB}}, ("cidr", "behind kiruna-gw01")),
    ("overlap by a zone", ("regions", "x"), {"sites": {"oulu": ZONED}}, ("10.30.1.128/25", "routed directly")),
    ("via at site and gateway", ("regions", "x"), {"sites": {"oulu": TWICE}}, ("'via'", "one of the two")),
    ("quote without partner", ("vars",), {"ansible_ssh_common_args": "-o 'x"}, ("ansible_ssh_common_args", "quotes")),
]


def with_mistake(name: str, path: tuple[t.Any, ...], value: t.Any) -> dict[str, t.Any]:
    data = copy.deepcopy(GOOD)
    if name == "disconnected and error":
        site = data["regions"]["eu-north"]["sites"]["kiruna"]
        site.update(connectivity="disconnected", when_offline="error")
        return data
    if name == "overlap of direct networks":
        sites = data["regions"]["eu-north"]["sites"]
        sites["boden"] = {"ring": "broad", "cidr": "10.30.0.0/16", "nodes": {"box1": {"host": 1}}}
        return data
    at: t.Any = data
    for key in path[:-1]:
        at = at[key]
    if value is DELETE:
        del at[path[-1]]
    else:
        at[path[-1]] = value
    return data
