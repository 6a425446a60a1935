# Copyright: (c) 2026, physical_ai.edge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Train the demo's models on scikit-learn's handwritten digits and write them as ONNX: `train.py OUT`.

OUT/<variant>/{model.onnx,model.json} for each variant, OUT/digits.json (the images that no model has seen,
for the client) and OUT/report.json (accuracies). The same inputs and package versions give the same files.
"""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper, save_model
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

SEED = 7
GOLDEN = Path(__file__).with_name("golden.json")
Layer = tuple[np.ndarray, np.ndarray]


def to_onnx(layers: list[Layer], width: int) -> Any:
    """A chain of fully connected layers as an ONNX graph: pixels 0..16 in, label and probabilities out."""
    nodes = [helper.make_node("Div", ["image", "scale"], ["x0"])]
    weights = [numpy_helper.from_array(np.float32(16), "scale")]
    for index, (weight, bias) in enumerate(layers):
        weights.append(numpy_helper.from_array(weight.astype(np.float32), f"w{index}"))
        weights.append(numpy_helper.from_array(bias.astype(np.float32), f"b{index}"))
        last = index == len(layers) - 1
        out = "scores" if last else f"h{index}"
        nodes.append(helper.make_node("Gemm", [f"x{index}", f"w{index}", f"b{index}"], [out]))
        if not last:
            nodes.append(helper.make_node("Relu", [out], [f"x{index + 1}"]))
    nodes.append(helper.make_node("Softmax", ["scores"], ["probabilities"], axis=1))
    nodes.append(helper.make_node("ArgMax", ["probabilities"], ["label"], axis=1, keepdims=0))
    graph = helper.make_graph(
        nodes,
        "digits",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", width])],
        [
            helper.make_tensor_value_info("label", TensorProto.INT64, ["n"]),
            helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["n", 10]),
        ],
        weights,
    )
    # Old enough for every ONNX Runtime of the last years; the graph uses nothing newer.
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    checker.check_model(model)
    return model


def logistic(images: np.ndarray, labels: np.ndarray) -> list[Layer]:
    fitted = LogisticRegression(max_iter=500).fit(images / 16, labels)
    return [(fitted.coef_.T, fitted.intercept_)]


def perceptron(images: np.ndarray, labels: np.ndarray) -> list[Layer]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a fixed number of passes is what we want
        fitted = MLPClassifier((96,), alpha=1e-3, max_iter=60, random_state=SEED).fit(images / 16, labels)
    return list(zip(fitted.coefs_, fitted.intercepts_, strict=True))


def forward(layers: list[Layer], images: np.ndarray) -> np.ndarray:
    x = images / 16
    for weight, bias in layers[:-1]:
        x = np.maximum(x @ weight + bias, 0)
    labels: np.ndarray = (x @ layers[-1][0] + layers[-1][1]).argmax(axis=1)
    return labels


def write(folder: Path, version: str, layers: list[Layer], width: int = 64, **extra: Any) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    save_model(to_onnx(layers, width), str(folder / "model.onnx"))
    about = {
        "name": "digits",
        "version": version,
        "input": {"name": "image", "datatype": "FP32", "shape": [-1, 64]},
        "outputs": [
            {"name": "label", "datatype": "INT64", "shape": [-1]},
            {"name": "probabilities", "datatype": "FP32", "shape": [-1, 10]},
        ],
        **extra,
    }
    (folder / "model.json").write_text(json.dumps(about, indent=1, sort_keys=True) + "\n")


def make_golden(images: np.ndarray, labels: np.ndarray, good: list[list[Layer]]) -> dict[str, Any]:
    """A request of three unseen images that every good model answers right, with the expected answer."""
    agreed = np.all([forward(layers, images) == labels for layers in good], axis=0)
    chosen = [int(np.flatnonzero(agreed & (labels == digit))[0]) for digit in (3, 5, 8)]
    data = images[chosen].astype(int)
    return {
        "request": {
            "id": "golden",
            "inputs": [{"name": "image", "datatype": "FP32", "shape": [3, 64], "data": data.ravel().tolist()}],
            "outputs": [{"name": "label"}],
        },
        "expect": {"outputs": [{"name": "label", "data": [int(label) for label in labels[chosen]]}]},
    }


def check_golden(golden: dict[str, Any], good: dict[str, list[Layer]], bad: dict[str, list[Layer]]) -> None:
    image = np.array(golden["request"]["inputs"][0]["data"], dtype=float).reshape(-1, 64)
    expected = golden["expect"]["outputs"][0]["data"]
    for name, layers in {**good, **bad}.items():
        right = forward(layers, image).tolist() == expected
        if right != (name in good):
            sys.exit(f"golden.json: {name} answers it {'right' if right else 'wrong'}; make it anew with --golden")


def main(out: Path, renew_golden: bool) -> None:
    digits = load_digits()
    train_x, test_x, train_y, test_y = train_test_split(
        digits.data, digits.target, test_size=0.3, random_state=SEED, stratify=digits.target
    )
    few = np.concatenate([np.flatnonzero(train_y == digit)[:2] for digit in range(10)])
    models = {
        "v1": logistic(train_x[few], train_y[few]),
        "v2": perceptron(train_x, train_y),
        "v3": perceptron(train_x, (train_y + 1) % 10),  # a labelling mistake: sure of itself, and wrong
    }
    good = {name: models[name] for name in ("v1", "v2")}
    if renew_golden:
        GOLDEN.write_text(json.dumps(make_golden(test_x, test_y, list(good.values())), indent=1) + "\n")
    check_golden(json.loads(GOLDEN.read_text()), good, {"v3": models["v3"]})
    accuracy = {name: float((forward(layers, test_x) == test_y).mean()) for name, layers in models.items()}
    for name, layers in models.items():
        write(out / name, name, layers, parameters={"accuracy": f"{accuracy[name]:.4f}"})
    write(out / "v3-slow", "v3-slow", models["v2"], augment=400)
    write(out / "slow", "slow", models["v2"], slowdown=3)
    # Built for a camera with 28 x 28 pixels: it loads, and fails on every picture of ours.
    wide = [(np.zeros((784, 10)), np.zeros(10))]
    write(out / "v3-errors", "v3-errors", wide, width=784)
    data = {"images": test_x.astype(int).tolist(), "labels": test_y.tolist()}
    (out / "digits.json").write_text(json.dumps(data) + "\n")
    report = {"accuracy": accuracy, "unseen_images": len(test_y)}
    (out / "report.json").write_text(json.dumps(report, indent=1) + "\n")
    print(json.dumps(report))


if __name__ == "__main__":
    main(Path(sys.argv[1]), "--golden" in sys.argv[2:])
