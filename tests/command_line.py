"""The commands, as somebody types them whose environment sets nothing."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import forked

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path


def parlance(*args: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    environ = {k: v for k, v in os.environ.items() if not k.startswith("PARLANCE__")}
    return forked.run("parlance", *args, environment=environ, folder=cwd)
