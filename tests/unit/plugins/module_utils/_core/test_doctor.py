# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each check of the doctor says of what was read, and that no nonsense makes it fall over."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any, Callable, Dict, List

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.physical_ai.edge.plugins.module_utils._core import doctor, doctor_machine, doctor_service, xid
from ansible_collections.physical_ai.edge.plugins.module_utils._core import state as _state
from ansible_collections.physical_ai.edge.plugins.module_utils._core.hardware import gpus, shape

LOGS = Path(__file__).parents[3] / "fixtures" / "kernel_log"
NOW = 1795555580.0  # 2026-11-24
KILLED = "oom-kill:constraint=CONSTRAINT_MEMCG,task_memcg=/docker/0123456789ab" + "0" * 52
STALE = "/etc/cdi/n.yaml: /dev/nvidia0 has major number 9, the kernel says 195: generate the file anew"
UNIT = "physical-ai-recover.service"
ROUTE = "Iface Destination Gateway Flags RefCnt Use Metric Mask MTU Window IRTT\neth0 00000000 0102A8C0 0003 0 0 0 00000000 0 0 0\n"
Seen = Dict[str, Any]


def unit(active: str = "active", enabled: str = "enabled") -> Dict[str, str]:
    return {"LoadState": "loaded", "ActiveState": active, "UnitFileState": enabled, "Result": "success"}


def deployment(**more: Any) -> _state.Deployment:
    whole: Dict[str, Any] = {
        "spec": {"name": "app"},
        "spec_digest": "sha256:1",
        "container": "edge-q-app-1",
        "image_id": "sha256:2",
    }
    return _state.Deployment(**{**whole, "release": "r1", "sequence": 3, **more})


def state(**more: Any) -> str:
    current = deployment(**more)
    return _state.dump(
        _state.State(4, {"q": _state.Tenant("r1", {}, {"app": _state.Workload(current)}, {"class": "success"})})
    )


def container(**status: Any) -> Dict[str, Any]:
    return {
        "Id": "0123456789ab" + "0" * 52,
        "Name": "/edge-q-app-1",
        "RestartCount": 0,
        "State": {"Running": True, "StartedAt": "2026-11-20T10:00:00.1Z", "ExitCode": 0, **status},
        "HostConfig": {"RestartPolicy": {"Name": "always"}},
    }


def healthy() -> Seen:
    """Everything is there and well, with a GPU and a workload that uses it."""
    hardware = shape.blank()
    hardware["gpus"] = [dict(gpus.blank(), state="ok", pci_address="0000:01:00.0", index=0, temperature_c=50)]
    hardware["driver"].update(loaded="550.54.14", library="550.54.14", mismatch=False)
    hardware["disks"] = [{"name": "nvme0n1", "wear_percent": 3, "health": "ok"}]
    hardware["clock"]["synchronized"] = True
    hardware["cdi"]["devices"] = ["nvidia.com/gpu=0", "nvidia.com/gpu=all"]
    hardware["engine"] = {"cdi_enabled": True, "runtimes": ["runc"]}
    return {
        "now": NOW, "controller": int(NOW), "max_minutes": 5, "not_before": "2026-11-01", "min_free_mib": 256,
        "version": "0.1.0", "our_units": [UNIT], "container": False, "clock": {"state": "trusted", "reason": "the controller says the same"},
        "units": {"docker.service": unit(), UNIT: unit("inactive")},
        "engine": {"ServerVersion": "26.1.5", "LiveRestoreEnabled": True}, "daemon_json": '{"live-restore": true}',
        "program": {"there": True, "version": "0.1.0"},
        "state": state(gpus=[{"id": "0", "cdi": "nvidia.com/gpu=0"}]), "busy": False, "ledger": "", "holds": [],
        "containers": [container()], "lost": {}, "hardware": hardware,
        "devices": [{"name": "camera-line-1", "workloads": ["q/app"], "problem": "", "dead": ""}],
        "kernel_log": "1795555000.000001 host kernel: usb 1-1: new device\n",
        "meminfo": "MemTotal: 8000000 kB\nMemAvailable: 5000000 kB\n",
        "pressure": "some avg10=0.00 avg60=0.00 avg300=0.00 total=0\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n",
        "routes": [ROUTE, ""],
        "file_systems": [{"path": "/", "device": 1, "free": 50 << 30, "total": 100 << 30, "inodes_free": 900, "inodes": 1000}],
        "journal": {"persistent": True, "storage": "auto", "free": 1 << 30, "used": 8 << 20, "cap": 256 << 20, "errors": []},
        "modes": [{"path": "/var/lib/physical-ai", "mode": 0o700, "uid": 0, "most": 0o700}],
        "certificates": [{"path": "/etc/docker/certs.d/r/ca.crt", "said": "notAfter=Nov 24 20:55:00 2036 GMT\n"}],
        "own_certificates": [{
            "name": "node", "due": False, "reason": "valid", "problem": "", "revoked": False, "untrusted": "", "pending": False,
            "installed": {"not_before": NOW - 86400, "not_after": NOW + 29 * 86400},
        }],
        "revocation_lists": [{"issuer": "CN=acme root", "next_update": NOW + 86400}, {"issuer": "CN=x", "next_update": 0}],
        "sealed_secrets": [{"tenant": "q", "problem": ""}],
    }  # fmt: skip


def put(path: str, value: Any) -> Callable[[Seen], None]:
    """Sets what a path such as `units/docker.service/ActiveState` names."""

    def change(seen: Seen) -> None:
        *parents, last = path.split("/")
        place: Any = seen
        for part in parents:
            place = place[int(part)] if isinstance(place, list) else place[part]
        place[int(last) if isinstance(place, list) else last] = value

    return change


def log(name: str) -> str:
    return (LOGS / name).read_text(encoding="utf-8")


def journalled() -> str:
    found = _state.load(state())
    found.journal = _state.Journal("1", "q", "r2", "start_new", "boot")
    return _state.dump(found)


def refused(sequence: int) -> str:
    found = _state.load(state())
    found.tenants["q"].workloads["app"].refuse(
        _state.Refusal("sha256:9", "sha256:8", "r2", "probe", "not ready", sequence)
    )
    return _state.dump(found)


def ended(kind: str) -> str:
    found = _state.load(state())
    found.tenants["q"].last = {"class": kind, "msg": "old and new are down"}
    return _state.dump(found)


def expired_because(problem: str) -> Callable[[Seen], None]:
    def change(seen: Seen) -> None:
        seen["own_certificates"][0].update(problem=problem, due=True, reason="expired")
        seen["own_certificates"][0]["installed"]["not_after"] = NOW - 60

    return change


F, W = "failure", "warning"
# what is read -> check, severity, words of what was found, words of what to do
FINDINGS: List[Any] = [
    (put("now", 0.0), "clock", F, "it says 1970-01-01", "date -u -s @1795555580"),
    (put("now", NOW - 3 * 86400), "clock", F, "3 days behind the controller", "hwclock -w"),
    (put("now", NOW + 7 * 60), "clock", F, "7 minutes ahead of", "date -u -s"),
    (put("clock", {"state": "doubtful", "reason": "nobody confirms it"}), "clock", F, "nobody confirms it", "`edge clock`; set it"),
    (put("now", None), "clock", W, "does not say the time", "timedatectl"),
    (put("hardware/clock/synchronized", False), "clock_synchronized", W, "no time server", "baseline_time_servers"),
    (put("file_systems/0/free", 50 << 20), "disk", F, "50 MiB free of 102,400 MiB", "du -xhd1 /"),
    (put("file_systems/0/free", 5 << 30), "disk", W, "5,120 MiB free", "docker system df"),
    (put("file_systems/0/inodes_free", 1), "disk", F, "1 inodes free of 1,000", "du --inodes"),
    (put("file_systems/0", {"path": "/", "error": "Input/output error"}), "disk", W, "Input/output error", "df /"),
    (put("hardware/disks/0/wear_percent", 85), "disk_wear", W, "85 percent", "plan to exchange"),
    (put("hardware/disks/0/wear_percent", 99), "disk_wear", F, "99 percent", "plan to exchange"),
    (put("hardware/disks/0/health", "failing"), "disk_wear", F, "failing", "exchange it now"),
    (put("hardware/disks/0/health", "warning"), "disk_wear", W, "warns", "plan to exchange"),
    (put("meminfo", "MemTotal: 8000000 kB\nMemAvailable: 100000 kB\n"), "memory", F, "98 MiB available", "docker stats"),
    (put("meminfo", "MemTotal: 8000000 kB\nMemAvailable: 300000 kB\n"), "memory", W, "293 MiB available", "docker stats"),
    (put("pressure", "full avg10=1.00 avg60=22.50 avg300=0.00 total=0\n"), "memory", W, "22.50 percent", "lower limits"),
    (put("routes", ["", ""]), "default_route", W, "no default route", "ip route"),
    (put("routes", [ROUTE.replace("0003", "no"), ""]), "default_route", W, "cannot be read", "ip route"),
    (put("journal/persistent", False), "journal", W, "/var/log/journal is missing", "baseline"),
    (put("journal/free", 0), "journal", F, "not written down", "journalctl --vacuum-size"),
    (put("journal/used", 400 << 20), "journal", F, "has 400 MiB", "vacuum"),
    (put("journal/errors", ["Failed to write entry: I/O"]), "journal", W, "Failed to write entry", "restart systemd-journald"),
    (put("certificates/0/said", "notAfter=Nov 20 20:55:00 2026 GMT"), "certificates", F, "expired on 2026-11-20", "put a new one"),
    (put("certificates/0/said", "notAfter=Dec  4 20:55:00 2026 GMT"), "certificates", W, "expires in 10 days", "in time"),
    (put("certificates/0/said", "no"), "certificates", W, "its end is unknown", "openssl x509"),
    (put("certificates/0/error", "openssl is missing"), "certificates", W, "openssl is missing", "openssl x509"),
    (put("own_certificates/0/installed/not_after", NOW - 86400), "own_certificates", F, "ran out on 2026-11-23", "--renew"),
    (expired_because("10.20.1.2 does not answer"), "own_certificates", F, "was not renewed: 10.20.1.2 does not answer", "--renew"),
    (put("own_certificates/0/installed/not_before", NOW + 86400), "own_certificates", F, "it begins on 2026-11-25", "by push"),
    (put("own_certificates/0/installed", None), "own_certificates", W, "there is none yet", "by push"),
    (put("own_certificates/0/installed", {}), "own_certificates", W, "its times are unknown", "edge certificates"),
    (put("own_certificates/0/problem", "403: it is blocked"), "own_certificates", W, "403: it is blocked; it runs out on", "--renew"),
    (put("own_certificates/0/revoked", True), "own_certificates", F, "it is revoked", "docs/block.md"),
    (put("own_certificates/0/untrusted", "its chain does not verify"), "own_certificates", F, "does not verify", "roots that count"),
    (put("own_certificates_error", "no gateway.json"), "own_certificates", W, "no gateway.json", "edge certificates"),
    (put("revocation_lists/0/next_update", NOW - 60), "revocation_lists", F, "replaced by 2026-11-24", "edge ca status"),
    (put("revocation_lists_error", "no list"), "revocation_lists", F, "no list", "playbook pki"),
    (put("sealed_secrets/0/problem", "secrets of tenant q: the TPM was cleared"), "sealed_secrets", F, "the TPM was cleared", "deliver them again"),
    (put("modes/0/mode", 0o755), "permissions", F, "mode 0755: everybody may read it", "chmod 0700 /var/lib/physical-ai"),
    (put("modes/0/mode", 0o770), "permissions", F, "its group may write it", "chmod 0700"),
    (put("modes/0/uid", 1000), "permissions", F, "belongs to user 1000", "chown root"),
    (put("units/docker.service/ActiveState", "failed"), "engine", F, "docker.service is failed", "journalctl -u docker"),
    (put("units/docker.service/LoadState", "not-found"), "engine", F, "no container engine", "provision"),
    (put("units/docker.service/UnitFileState", "disabled"), "engine", F, "does not start at boot", "systemctl enable docker"),
    (put("engine", None), "engine", F, "does not answer", "systemctl restart docker"),
    (put("units", None), "engine", F, "does not say how units are", "as root"),
    (put("containers_error", "timeout"), "workloads", F, "cannot be looked at: timeout", "journalctl -u docker"),
    (put("daemon_json", "{"), "engine_settings", F, "not JSON", "docker_engine"),
    (put("engine/LiveRestoreEnabled", False), "engine_settings", W, "live-restore is off", "docker_engine"),
    (put("program", {"there": False}), "node_program", F, "missing", "provision"),
    (put("program/version", "0.0.9"), "node_program", W, "version 0.0.9", "node_program"),
    (put("program/error", "bad interpreter"), "node_program", F, "bad interpreter", "node_program"),
    (put(f"units/{UNIT}/UnitFileState", "disabled"), "units", F, "disabled", "systemctl enable"),
    (put(f"units/{UNIT}/LoadState", "masked"), "units", F, "masked", "node_program"),
    (put(f"units/{UNIT}/ActiveState", "failed"), "units", F, "failed", "systemctl status"),
    (put("state", "{"), "state", F, "not a state file", "backup"),
    (put("state_error", "Permission denied"), "state", F, "Permission denied", "as root"),
    (put("state", journalled()), "change", F, "cut short at start_new", "edge recover"),
    (put("ledger", "line 3 does not follow"), "ledger", F, "line 3", "Keep a copy"),
    (put("state", ended("broken")), "last_change", F, "ended broken: old and new are down", "edge why q"),
    (put("state", ended("interrupted")), "last_change", W, "ended interrupted", "edge why q"),
    (put("containers", []), "workloads", F, "is gone", "edge recover"),
    (put("containers/0/State/Running", False), "workloads", F, "does not run", "edge recover"),
    (put("containers/0/State/Restarting", True), "workloads", F, "again and again", "edge revert q/app"),
    (put("containers/0/State/OOMKilled", True), "workloads", F, "memory limit", "resources.memory"),
    (put("containers/0/HostConfig/RestartPolicy/Name", "no"), "workloads", F, "restart policy is no", "edge recover"),
    (put("containers/0", dict(container(StartedAt="2026-11-24T21:24:00Z"), RestartCount=5)), "workloads", F, "restarted 5 times", "edge logs"),
    (put("containers/0/State/Health", {"Status": "unhealthy"}), "workloads", W, "unhealthy", "edge logs"),
    (put("kernel_log", KILLED), "out_of_memory", W, "killed it 1 times", "memory"),
    (put("state", refused(4)), "refused", W, "release r2 is refused (probe): not ready", "edge why q/app"),
    (put("holds", [{"scope": "q", "who": "ann", "reason": "shift"}]), "holds", W, "ann holds changes back: shift", "edge release q"),
    (put("holds", [{"scope": "q", "who": "ann", "reason": "unpaid", "blocked": True}]), "holds", W, "ann blocks it: unpaid", "edge unblock q"),
    (put("holds_error", "is not JSON"), "holds", F, "not JSON", "correct the file"),
    (put("hardware/driver/problem", "the loaded driver is 1 and its library is 2: restart the node"), "gpu_driver", F, "its library is 2", "restart the node"),
    (put("hardware/driver/mismatch", True), "gpu_driver", F, "550.54.14", "restart the node"),
    (put("hardware/gpus", []), "gpu_driver", F, "q/app was given one", "lspci"),
    (put("hardware/gpus/0/state", "lost"), "gpu", F, "it is lost", "seat, power and cooling"),
    (put("hardware/gpus/0/state", "excluded"), "gpu", W, "excludes", "ExcludedGpus"),
    (put("hardware/gpus/0/temperature_c", 95), "gpu", W, "95 degrees", "fans"),
    (put("hardware/gpus/0/throttle_reasons", ["hw_thermal_slowdown"]), "gpu", W, "runs slower", "cooling"),
    (put("hardware/gpus/0/ecc/row_remap_failed", True), "gpu", F, "could not be set aside", "exchange"),
    (put("hardware/gpus/0/ecc/retired_pages_pending", True), "gpu", W, "next restart", "restart"),
    (put("hardware/gpus/0/ecc/uncorrected", 2), "gpu", W, "2 errors", "watch it"),
    (put("kernel_log", log("xid-79.log")), "gpu_events", F, "Xid 79: the GPU has fallen off the bus", "seat, power and cooling"),
    (put("kernel_log", log("xid-48-ecc.log")), "gpu_events", F, "Xid 48", "restart the node"),
    (put("kernel_log", log("xid-63-remap.log")), "gpu_events", W, "Xid 63", "restart the node"),
    (put("kernel_log", log("xid-13-program.log")), "gpu_events", W, "Xid 13, 2 times", "logs of the workload"),
    (put("kernel_log", "NVRM: Xid (PCI:0000:01:00): 777, pid=1"), "gpu_events", W, "does not know", "docs.nvidia.com"),
    (put("hardware/cdi/devices", []), "cdi", F, "containers cannot be given it", "nvidia-cdi-refresh"),
    (put("hardware/cdi/devices", ["nvidia.com/gpu=1"]), "cdi", F, "was given nvidia.com/gpu=0", "nvidia-cdi-refresh"),
    (put("hardware/cdi/stale", [STALE]), "cdi", F, "the kernel says 195", "nvidia-cdi-refresh"),
    (put("hardware/cdi/conflicts", ["nvidia.com/gpu=0: a and b both have it"]), "cdi", F, "both have it", "remove the file"),
    (put("hardware/engine/cdi_enabled", False), "cdi", F, "does not look at CDI", "nvidia_container_toolkit"),
    (put("lost", {"q/app": ["/dev/nvidia0: it may not be opened any more"]}), "gpu_in_container", F, "cannot use /dev/nvidia0", "edge devices --settle"),
    (put("devices/0/problem", "camera-line-1 is not plugged in"), "devices", F, "q/app uses it", "cable"),
    (put("devices/0/dead", "it cannot be opened: No such device"), "devices", F, "does not answer", "unplug it"),
    (put("devices_error", "devices.json: no schema"), "devices", F, "no schema", "role devices"),
]  # fmt: skip


def test_nothing_is_found_where_all_is_well_and_every_check_is_made() -> None:
    found = doctor.examine(healthy())
    assert found == {
        "findings": [],
        "checked": [check.name for check in doctor.CHECKS],
        "not_checked": [],
        "exit_code": 0,
    }


@pytest.mark.parametrize("change, check, severity, found, do", FINDINGS)
def test_what_is_wrong_is_found_once_and_says_what_to_do(
    change: Callable[[Seen], None], check: str, severity: str, found: str, do: str
) -> None:
    seen = healthy()
    change(seen)
    result = doctor.examine(seen)
    mine = [item for item in result["findings"] if item["check"] == check and found in item["found"]]
    assert len(mine) == 1, result["findings"]
    assert mine[0]["severity"] == severity
    assert do in mine[0]["do"]
    assert mine[0]["wanted"]
    assert mine[0]["where"]
    assert result["exit_code"] == doctor.exit_code(result["findings"]) >= (2 if severity == F else 1)


def test_each_check_has_a_case() -> None:
    assert {case[1] for case in FINDINGS} == {check.name for check in doctor.CHECKS}


NOT_CHECKED = [
    (put("own_certificates", []), "own_certificates", "no certificate is wanted"),
    (put("clock", {"state": "doubtful", "reason": "1970"}), "own_certificates", "the clock is in doubt"),
    (put("revocation_lists", []), "revocation_lists", "no lists"),
    (put("sealed_secrets", []), "sealed_secrets", "no tenant has secrets"),
    (put("container", True), "clock_synchronized", "clock of its host"),
    (put("hardware/clock/synchronized", None), "clock_synchronized", "does not say"),
    (put("hardware/disks", []), "disk_wear", "smartctl"),
    (put("meminfo", None), "memory", "does not say"),
    (put("routes", None), "default_route", "does not say"),
    (put("journal", None), "journal", "not looked at"),
    (put("certificates", []), "certificates", "there is none"),
    (put("program", None), "units", "missing"),
    (put("state", None), "workloads", "nothing was deployed"),
    (put("state", "{"), "change", "cannot be read"),
    (put("containers", None), "workloads", "does not answer"),
    (put("busy", True), "workloads", "a change is under way"),
    (put("ledger", None), "ledger", "no ledger"),
    (put("kernel_log", None), "gpu_events", "no kernel log"),
    (put("kernel_log", None), "out_of_memory", "no kernel log"),
    (put("hardware", {}), "gpu", "not read"),
    (put("lost", None), "gpu_in_container", "does not answer"),
    (put("state", state()), "gpu_in_container", "no workload"),
    (put("devices", []), "devices", "named no device"),
]


@pytest.mark.parametrize("change, check, reason", NOT_CHECKED)
def test_a_check_that_does_not_apply_says_why(change: Callable[[Seen], None], check: str, reason: str) -> None:
    seen = healthy()
    change(seen)
    result = doctor.examine(seen)
    (mine,) = [item for item in result["not_checked"] if item["check"] == check]
    assert reason in mine["reason"]


def test_what_is_over_is_not_found() -> None:
    """A refusal that a newer version put right, a change under way, an event of last week, a certificate for ever."""
    seen = healthy()
    seen.update(state=refused(2), kernel_log=log("xid-79.log").replace("1795", "1794"))
    assert doctor.examine(seen)["findings"] == []
    seen.update(state=journalled(), busy=True)
    assert doctor.examine(seen)["findings"] == []


def test_a_stopped_engine_is_one_finding() -> None:
    seen = healthy()
    seen["units"]["docker.service"] = unit("inactive")
    seen.update(engine=None, containers=None, lost=None)
    seen["hardware"]["engine"] = None
    assert [item["check"] for item in doctor.examine(seen)["findings"]] == ["engine"]


def test_a_node_of_which_nothing_could_be_read_is_judged() -> None:
    result = doctor.examine({})
    assert result["exit_code"] == 2
    assert {"engine", "node_program"} <= {item["check"] for item in result["findings"]}


@pytest.mark.parametrize(
    "said, found",
    [
        ("notAfter=Nov 24 20:55:00 2026 GMT\n", 1795553700.0),
        ("notAfter=Jan  1 00:00:00 1970 GMT", 0.0),
        ("notAfter=Nov 31 99:99:99 2026 GMT", None),
        ("notAfter=Foo  1 00:00:00 2026 GMT", None),
        (None, None),
    ],
)
def test_the_end_of_a_certificate(said: Any, found: Any) -> None:
    if found is not None or said is None or "Foo" in said:
        assert doctor_machine.not_after(said) == found
    else:
        doctor_machine.not_after(said)  # whatever it makes of it, it does not raise


def test_events_of_gpus_are_read_with_their_time_and_words() -> None:
    (event,) = xid.events(log("xid-79.log"))
    assert (event.address, event.number) == ("0000:01:00", 79)
    assert event.meaning.serious
    assert event.words.startswith("pid=")
    assert event.time == 1795555201.123456
    assert [found.number for found in xid.events(log("xid-48-ecc.log"))] == [48, 45]
    assert xid.events(None) == []


def test_every_meaning_says_what_to_do_in_one_line() -> None:
    for number, meaning in xid.MEANINGS.items():
        assert meaning.words and meaning.do, number
        assert "\n" not in meaning.words + meaning.do


def test_the_start_of_a_container() -> None:
    assert doctor_service.started("2026-11-24T20:55:00.123456789Z") == 1795553700.0
    assert doctor_service.started(None) == 0.0


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def paths(value: Any, prefix: str = "") -> List[str]:
    found = []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        found += [f"{prefix}{key}", *paths(inner, f"{prefix}{key}/")]
    return found


PATHS = paths(healthy())


@settings(max_examples=400)
@given(st.lists(st.tuples(st.sampled_from(PATHS), ANYTHING), min_size=1, max_size=4))
def test_nonsense_is_a_finding_and_never_a_traceback(changes: Any) -> None:
    seen = healthy()
    for path, value in changes:
        try:
            put(path, value)(seen)
        except (KeyError, TypeError, IndexError, ValueError):
            continue  # an earlier change took its place away
    result = doctor.examine(copy.deepcopy(seen))
    json.dumps(result)
    for item in result["findings"]:
        assert all("\n" not in words for words in item.values())
        assert item["found"] and item["do"]
    assert {*result["checked"], *(item["check"] for item in result["not_checked"])} == {
        item.name for item in doctor.CHECKS
    }


@settings(max_examples=200)
@given(st.data())
def test_texts_that_are_torn_or_rotten_are_no_traceback(data: st.DataObject) -> None:
    """State, daemon.json, the kernel log and the like as a dying disk gives them back."""
    seen = healthy()
    for name in ("state", "daemon_json", "kernel_log", "meminfo", "pressure"):
        text = seen[name]
        start = data.draw(st.integers(0, len(text)))
        seen[name] = text[:start] + data.draw(st.text(max_size=5)) + text[start + data.draw(st.integers(0, 9)) :]
    json.dumps(doctor.examine(seen))
