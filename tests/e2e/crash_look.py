# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sent to a node and run there: prints, as JSON, what the crash tests judge."""

import json
import os
import subprocess

HOME = "/var/lib/physical-ai"
DATA = HOME + "/volumes/crash/front/state"


def call(*argv):
    return subprocess.run(argv, capture_output=True, text=True, check=False).stdout


def state():
    """(state, what is wrong with it)."""
    try:
        with open(HOME + "/state.json", encoding="utf-8") as handle:
            return json.load(handle), ""
    except FileNotFoundError:
        return None, ""
    except ValueError as exc:
        return None, f"torn: {exc}"


def containers():
    ids = call("docker", "ps", "--all", "--quiet", "--filter", "label=physical-ai.edge.tenant").split()
    for item in json.loads(call("docker", "container", "inspect", *ids)) if ids else []:
        yield {
            "name": item["Name"].lstrip("/"),
            "running": item["State"]["Running"],
            "restart": item["HostConfig"]["RestartPolicy"]["Name"],
            "tenant": item["Config"]["Labels"]["physical-ai.edge.tenant"],
            "workload": item["Config"]["Labels"]["physical-ai.edge.workload"],
        }


def left():
    """Files that a change, or its way back, should have taken away."""
    found = os.listdir(DATA) if os.path.isdir(DATA) else []
    found = [DATA + "/" + name for name in found if name in ("discard", "data.new") or name.endswith(".new")]
    return found + [path for path in [HOME + "/reserve"] if os.path.exists(path)]


def records():
    try:
        with open(DATA + "/data/records", encoding="utf-8") as handle:
            return handle.read().split("\n")[:-1]
    except OSError:
        return []


def records_inside(found):
    """The same file as the workload itself sees it: it must not work on data that was put away."""
    for item in found:
        if item["running"] and item["workload"] == "front":
            return call("docker", "exec", item["name"], "cat", "/data/records").split("\n")[:-1]
    return None


def main():
    found, torn = state()
    boxes = list(containers())
    print(
        json.dumps(
            {
                "state": found,
                "torn": torn,
                "containers": boxes,
                "left": left(),
                "records": records(),
                "records_inside": records_inside(boxes),
                "units": call(
                    "systemctl", "list-units", "--all", "--plain", "--no-legend", "physical-ai-*"
                ).splitlines(),
                "failed": call("systemctl", "list-units", "--failed", "--plain", "--no-legend").splitlines(),
            }
        )
    )


if __name__ == "__main__":
    main()
