# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""An Open Inference Protocol v2 server for one ONNX model: ONNX Runtime behind Starlette and uvicorn.

It serves $MODEL_DIR (default /models/digits: model.onnx and model.json) on port $PORT (default 8000):
health, model ready, metadata, infer, and /metrics for Prometheus. $MIN_MS (default 0) are milliseconds that an answer takes
at least, as if the model were larger: so times can be compared on a small machine whose own times jump about.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST, Counter, Gauge, Histogram, generate_latest
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

MAX_BODY = 1 << 20
MAX_BATCH = 256
LEAST_SECONDS = float(os.environ.get("MIN_MS", "0")) / 1000
DTYPES = {"FP32": np.float32, "INT64": np.int64}

LATENCY = Histogram(
    "inference_latency_seconds",
    "Time from a decoded request to its answer",
    buckets=(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5),
)
REQUESTS = Counter("inference_requests", "Infer requests by outcome", ["outcome"])
INFO = Gauge("inference_model_info", "The model that is served", ["model", "version"])
for _outcome in ("ok", "refused", "failed"):
    REQUESTS.labels(_outcome)


class BadRequest(ValueError):
    """The request is not one that this model can answer: the caller's fault."""


class Model:
    """One loaded model: its description (model.json) and its ONNX Runtime session."""

    def __init__(self, folder: Path) -> None:
        self.about: dict[str, Any] = json.loads((folder / "model.json").read_text())
        self.name: str = self.about["name"]
        self.version: str = self.about["version"]
        options = onnxruntime.SessionOptions()
        # One thread: the container has a share of a small box, and a spinning pool would eat it.
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(
            str(folder / "model.onnx"), sess_options=options, providers=["CPUExecutionProvider"]
        )

    def metadata(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "versions": [self.version],
            "platform": "onnx_onnxv1",
            "inputs": [self.about["input"]],
            "outputs": self.about["outputs"],
            "parameters": self.about.get("parameters", {}),
        }

    def decode(self, request: Any) -> tuple[np.ndarray, list[str]]:
        """The input tensor and the names of the wanted outputs; BadRequest says what is wrong with the request."""
        want = self.about["input"]
        inputs = request.get("inputs") if isinstance(request, dict) else None
        if not isinstance(inputs, list) or len(inputs) != 1 or not isinstance(inputs[0], dict):
            raise BadRequest("the body needs 'inputs' with one tensor")
        tensor = inputs[0]
        for key in ("name", "datatype"):
            if tensor.get(key) != want[key]:
                raise BadRequest(f"input {key} is {tensor.get(key)!r}, this model takes {want[key]!r}")
        width, shape = want["shape"][1], tensor.get("shape")
        if not isinstance(shape, list) or len(shape) != 2 or shape[1] != width or not 1 <= shape[0] <= MAX_BATCH:
            raise BadRequest(f"input shape is {shape!r}, this model takes [1..{MAX_BATCH}, {width}]")
        try:
            array = np.asarray(tensor.get("data"), dtype=DTYPES[want["datatype"]]).reshape(shape)
        except (TypeError, ValueError) as exc:
            raise BadRequest(f"input data does not fill the shape {shape}: {exc}") from None
        known = [output["name"] for output in self.about["outputs"]]
        wanted = [output.get("name") for output in request.get("outputs") or []] or known
        if not set(wanted) <= set(known):
            raise BadRequest(f"outputs {wanted!r} are not all among {known!r}")
        return array, wanted

    def predict(self, array: np.ndarray) -> dict[str, np.ndarray]:
        """Both outputs. A model with `augment: n` averages over n noisy copies, at n times the cost."""
        probabilities = self._run(array)
        copies = int(self.about.get("augment", 0))
        if copies:
            noise = np.random.default_rng(0)
            for _rest in range(copies):
                probabilities += self._run(array + noise.normal(0, 0.25, array.shape).astype(np.float32))
            probabilities /= copies + 1
        return {"label": probabilities.argmax(axis=1), "probabilities": probabilities}

    def _run(self, array: np.ndarray) -> np.ndarray:
        result: np.ndarray = self.session.run(["probabilities"], {self.about["input"]["name"]: array})[0]
        return result

    def _take_longer(self, spent: float) -> None:
        """A model with `slowdown: n` takes n times as long."""
        time.sleep(max(0.0, max(spent, LEAST_SECONDS) * float(self.about.get("slowdown", 1)) - spent))

    def answer(self, request: Any) -> dict[str, Any]:
        array, wanted = self.decode(request)
        with LATENCY.time():
            began = time.monotonic()
            values = self.predict(array)
            self._take_longer(time.monotonic() - began)
        types = {output["name"]: output["datatype"] for output in self.about["outputs"]}
        return {
            "model_name": self.name,
            "model_version": self.version,
            "id": str(request.get("id", "")),
            "outputs": [
                {
                    "name": name,
                    "datatype": types[name],
                    "shape": list(values[name].shape),
                    "data": values[name].ravel().tolist(),
                }
                for name in wanted
            ],
        }


def make_app(model: Model) -> Starlette:
    def known(request: Request) -> bool:
        path = request.path_params
        return path["name"] == model.name and path.get("version", model.version) == model.version

    def unknown(request: Request) -> JSONResponse:
        served = f"{model.name} {model.version}"
        return JSONResponse({"error": f"{request.url.path}: this server has only {served}"}, status_code=404)

    async def live(_rest: Request) -> Response:
        return JSONResponse({"live": True})

    async def ready(_rest: Request) -> Response:
        return JSONResponse({"ready": True})

    async def server(_rest: Request) -> Response:
        return JSONResponse({"name": "onnx-oip", "version": onnxruntime.__version__, "extensions": []})

    async def metadata(request: Request) -> Response:
        return JSONResponse(model.metadata()) if known(request) else unknown(request)

    async def model_ready(request: Request) -> Response:
        return JSONResponse({"name": model.name, "ready": True}) if known(request) else unknown(request)

    async def infer(request: Request) -> Response:
        if not known(request):
            return unknown(request)
        try:
            if int(request.headers.get("content-length", MAX_BODY + 1)) > MAX_BODY:
                raise BadRequest(f"the body needs a Content-Length of at most {MAX_BODY} bytes")
            answer = await run_in_threadpool(model.answer, json.loads(await request.body()))
        except ValueError as exc:  # BadRequest, and JSON that is none
            REQUESTS.labels("refused").inc()
            return JSONResponse({"error": str(exc)}, status_code=400)
        except Exception as exc:  # ONNX Runtime raises its own types; the server must answer and go on
            REQUESTS.labels("failed").inc()
            reason = str(exc).splitlines()[0]
            print(f"{model.name} {model.version}: infer failed: {reason}", file=sys.stderr, flush=True)
            return JSONResponse({"error": reason}, status_code=500)
        REQUESTS.labels("ok").inc()
        return JSONResponse(answer)

    async def metrics(_rest: Request) -> Response:
        return Response(generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    routes = [
        Route("/v2", server),
        Route("/v2/health/live", live),
        Route("/v2/health/ready", ready),
        Route("/metrics", metrics),
    ]
    for base in ("/v2/models/{name}", "/v2/models/{name}/versions/{version}"):
        routes += [
            Route(base, metadata),
            Route(base + "/ready", model_ready),
            Route(base + "/infer", infer, methods=["POST"]),
        ]
    return Starlette(routes=routes)


def main() -> int:
    folder = Path(os.environ.get("MODEL_DIR", "/models/digits"))
    port = int(os.environ.get("PORT", "8000"))
    started = time.monotonic()
    onnxruntime.set_default_logger_severity(3)
    try:
        model = Model(folder)
    except Exception as exc:  # whatever the file is, the log must say in one line why nothing is served
        print(f"no model can be loaded from {folder}: {str(exc).splitlines()[0]}", file=sys.stderr)
        return 3
    INFO.labels(model.name, model.version).set(1)
    took = time.monotonic() - started
    print(f"{model.name} {model.version} loaded in {took:.3f} s, serving on port {port}", file=sys.stderr, flush=True)
    uvicorn.run(
        make_app(model),
        host="0.0.0.0",  # inside the container; what is published is the release's decision
        port=port,
        lifespan="off",
        access_log=False,
        log_level="warning",
        timeout_graceful_shutdown=1,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
