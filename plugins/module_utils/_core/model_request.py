# Copyright: (c) 2026, physical_ai.edge contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What may be asked about a model by itself: by the module `model` of the node program, and of the module by its users."""

from __future__ import annotations

import typing as t

from . import spec as _spec
from .fields import choice, error

_state = choice("present", "absent")


def check(data: t.Any) -> t.Tuple[str, t.Dict[str, t.Any]]:
    """(state, model) of a request. What is to be away needs no version and no source.

    :raises SpecError: with one line that names the place.
    """
    if not isinstance(data, dict):
        raise error("model", data, "a mapping")
    state = _state("model.state", data.get("state") or "present")
    given = {key: value for key, value in data.items() if key not in ("state", "check") and value not in (None, "")}
    if state == "absent":
        given = dict({"version": "-", "source": "/-"}, **given)
    return state, _spec.check_model("model", given)
