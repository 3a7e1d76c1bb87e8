"""How to compile a program that runs once: how well it is compiled does not matter there."""

from __future__ import annotations

from typing import Any

import jax

IN_A_HURRY: dict[str, Any] = {"xla_backend_optimization_level": "0"}
if jax.__version_info__ < (0, 11):  # gone later
    IN_A_HURRY["xla_cpu_use_fusion_emitters"] = False  # halves the time once more
