# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a release would do, for a person: host by host against today, and site by site over its link. Pure."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping, Sequence

from .. import release as _release
from .. import windows
from ..table import aligned
from . import outcomes

_WORDS = {
    "swap": "changes",
    "switch": "changes its model",
    "repair": "is started again",
    "remove": "is taken away",
    "keep": "stays",
}
_MIB = 1 << 20


def _row(values: Mapping[str, t.Any], asked: t.Any) -> tuple[str, str, bool]:
    """(from which release, what it does, whether it could)."""
    if not isinstance(asked, Mapping) or asked.get("unreachable"):
        found = outcomes.unreachable(asked or {}, values)
        return "?", f"cannot be asked ({found['class']}): {found['msg']}", found["class"] != "offline_unexpected"
    if "plan" not in asked:
        return "?", f"refuses it: {asked.get('msg', 'no reason given')}", False
    plan = asked["plan"]
    does = [f"{name} {_WORDS.get(action, action)}" for name, action in plan["actions"].items() if action != "keep"]
    return plan["current"] or "nothing", ", ".join(does) or "nothing changes", True


def _site(name: str, known: Mapping[str, Mapping[str, t.Any]], asked: Mapping[str, t.Any]) -> dict[str, t.Any]:
    plans = {
        host: asked[host]["plan"] for host in known if isinstance(asked.get(host), Mapping) and "plan" in asked[host]
    }
    values = next(iter(known.values()))
    most = max((plan.get("bytes", 0) for plan in plans.values()), default=0)
    silent = [host for host in known if host not in plans]
    # Of who cannot be asked, as much as the one that needs most.
    size = sum(plan.get("bytes", 0) for plan in plans.values()) + most * len(silent)
    hours = windows.hours_needed(size, str(values.get("edge_bandwidth") or ""))
    window = values.get("edge_fetch_window")
    unknown = sorted({item for plan in plans.values() for item in plan.get("unknown", [])})
    fits = windows.fits(window, hours)
    return {
        "name": name,
        "bytes": size,
        "guessed": silent,
        "hours": hours,
        "fits": fits,
        "window": window,
        "unknown": unknown,
    }


def _words(site: Mapping[str, t.Any]) -> str:
    line = f"{site['bytes'] / _MIB:,.0f} MiB to fetch"
    if site["hours"] is not None:
        line += f", {site['hours']:.1f} hours at its bandwidth"
    if site["guessed"]:
        line += f"; guessed for {', '.join(site['guessed'])}"
    if site["unknown"]:
        line += f"; not counted, since nobody says how large: {', '.join(site['unknown'])}"
    if not site["fits"]:
        line += f"; ITS FETCH WINDOW OF {site['window']['duration']} CANNOT HOLD THAT"
    return f"{site['name'] or 'no site'}: {line}"


def _left_out(release: Mapping[str, t.Any], known: Mapping[str, Mapping[str, t.Any]]) -> list[str]:
    """Why a workload does not run at a site, where it runs on none of its hosts."""
    found = []
    for index, workload in enumerate(release["workloads"]):
        sites: dict[str, list[str]] = {}
        for values in known.values():
            reason = _release.mismatch(f"workloads[{index}]", workload.get("select") or {}, values)
            sites.setdefault(str(values.get("edge_site") or ""), []).append(reason)
        for site, reasons in sorted(sites.items()):
            if all(reasons):
                found.append(
                    f"{workload['name']} runs nowhere at {site or 'no site'}: {'; '.join(sorted(set(reasons)))}"
                )
    return found


def check(
    release: Mapping[str, t.Any],
    known: Mapping[str, Mapping[str, t.Any]],
    members: Sequence[str],
    asked: Mapping[str, t.Any],
) -> dict[str, t.Any]:
    """:param known: all hosts with their variables; :param members: those that the release is for.
    :param asked: what each of them said.
    """
    rows = {host: _row(known[host], asked.get(host)) for host in members}
    names = sorted({str(known[host].get("edge_site") or "") for host in members})
    of_site = {
        name: {host: known[host] for host in members if str(known[host].get("edge_site") or "") == name}
        for name in names
    }
    sites = [_site(name, of_site[name], asked) for name in names]
    shown = [
        ("HOST", "RUNS NOW", f"WITH {release['release']}"),
        *((host, row[0], row[1]) for host, row in rows.items()),
    ]
    cannot = [host for host, row in rows.items() if not row[2]]
    tight = [site["name"] for site in sites if not site["fits"]]
    end = f"release {release['release']} of {release['tenant']} could go out to {len(members)} hosts"
    if cannot:
        end = f"it could not go out: {', '.join(cannot)}"
    elif tight:
        end = f"it could not go out: the fetch window is too short at {', '.join(tight)}"
    lines = [*aligned(shown), *_left_out(release, known), *(_words(site) for site in sites), end]
    return {"lines": lines, "good": not (cannot or tight), "sites": {site["name"]: site for site in sites}}
