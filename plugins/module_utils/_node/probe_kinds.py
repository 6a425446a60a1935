# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How each kind of probe asks: a container over its network, or the node itself. Verdicts: `_core.judge`, `_core.judge_node`."""

from __future__ import annotations

import http.client
import json
import socket
import time
import typing as t
from dataclasses import dataclass, field

from .._core import judge
from .._core.baseline import Baseline, Record
from .._core.judge import FAIL, OK, RETRY, Verdict
from .files import Paths

Probe = t.Mapping[str, t.Any]


@dataclass(frozen=True)
class Context:
    """What a probe knows beside its settings. Without anything in it, nothing is compared with what was before.

    :param before: how the node was before the change, see `node_watch.before`.
    :param gpus: identities of the GPUs that the workload was given.
    :param record: keeps what was measured.
    """

    baseline: Baseline = field(default_factory=Baseline)
    before: t.Mapping[str, t.Any] = field(default_factory=dict)
    gpus: t.Tuple[str, ...] = ()
    record: Record = field(default_factory=Record)
    paths: Paths = field(default_factory=Paths)


def _request(address: str, probe: Probe, method: str, body: t.Optional[str] = None) -> t.Tuple[int, bytes]:
    connection = http.client.HTTPConnection(address, probe["port"], timeout=probe["timeout"])
    try:
        headers = {"Content-Type": "application/json"} if body is not None else {}
        connection.request(method, probe["path"], body=body, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read(4 << 20)
    finally:
        connection.close()


def _http(address: str, probe: Probe, dummy: Context, dummy_until: float) -> Verdict:
    return judge.http(_request(address, probe, "GET")[0], probe)


def _tcp(address: str, probe: Probe, dummy: Context, dummy_until: float) -> Verdict:
    socket.create_connection((address, probe["port"]), timeout=probe["timeout"]).close()
    return OK


def _metric(address: str, probe: Probe, context: Context, dummy_until: float) -> Verdict:
    status, body = _request(address, probe, "GET")
    if status != 200:
        return Verdict(RETRY, f"GET {probe['path']} answered {status}")
    return judge.metric(body.decode("utf-8", "replace"), probe, context.baseline)


def _inference(address: str, probe: Probe, context: Context, until: float) -> Verdict:
    """One round, one request after the other. It ends early where its verdict is clear, and at `until`."""
    body = json.dumps(probe["request"])
    answers: t.List[Verdict] = []
    latencies: t.List[float] = []
    wrong = 0
    while len(answers) < probe.get("requests", 1):
        began = time.monotonic()
        if answers and began > until:
            break
        status, content = _request(address, probe, "POST", body)
        latencies.append(time.monotonic() - began)
        verdict = judge.inference(status, _decoded(content), probe)
        if verdict.result == RETRY:
            return verdict
        answers.append(verdict)
        wrong += verdict.result == FAIL
        if judge.enough_wrong(wrong, probe):
            break
    return judge.golden_round(answers, latencies, probe, context.baseline)


def _decoded(content: bytes) -> t.Any:
    try:
        return json.loads(content)
    except ValueError:
        return content[:200].decode("utf-8", "replace")


NETWORK: t.Dict[str, t.Callable[[str, Probe, Context, float], Verdict]] = {
    "http": _http,
    "tcp": _tcp,
    "metric": _metric,
    "inference": _inference,
}


def _gpu(probe: Probe, context: Context) -> Verdict:
    from .._core import judge_node  # pylint: disable=import-outside-toplevel
    from . import node_watch  # pylint: disable=import-outside-toplevel

    return judge_node.gpu(node_watch.gpus(), node_watch.xids(), probe, context.gpus, context.before)


def _devices(dummy: Probe, context: Context) -> Verdict:
    from .._core import judge_node  # pylint: disable=import-outside-toplevel
    from . import node_watch  # pylint: disable=import-outside-toplevel

    return judge_node.devices(node_watch.present(context.paths), context.before)


def _reachability(probe: Probe, context: Context) -> Verdict:
    from .._core import judge_node  # pylint: disable=import-outside-toplevel
    from . import node_watch  # pylint: disable=import-outside-toplevel

    return judge_node.reachability(node_watch.reach(probe["targets"], probe["timeout"]), context.before)


# They import what they need when they are asked: a program from one file compiles what it imports each time, and most
# changes do not look at the node.
NODE: t.Dict[str, t.Callable[[Probe, Context], Verdict]] = {
    "gpu": _gpu,
    "devices": _devices,
    "reachability": _reachability,
}
