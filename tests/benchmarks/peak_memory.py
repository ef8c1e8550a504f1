"""Run as a process of its own: encode pixels and print the peak of resident memory, before and after, as JSON."""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path

from surco.encoder import load_encoder

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from benchmarks.pixel_series import pixel_series

STATUS = Path("/proc/self/status")


def peak_mb() -> float:
    """Most resident memory so far, MB.

    A process started from a large one inherits that one's `ru_maxrss` on Linux, so the kernel's own count of this
    process comes first.
    """
    if STATUS.exists():
        (line,) = [line for line in STATUS.read_text().splitlines() if line.startswith("VmHWM:")]
        return int(line.split()[1]) / 1024
    unit = 1024 if sys.platform != "darwin" else 1024**2
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def main(name: str, count: int) -> None:
    """Encode `count` pixels with the encoder of that name."""
    encoder = load_encoder(name)
    series = pixel_series(count)
    encoder.encode(*pixel_series(8))
    before = peak_mb()
    encoder.encode(*series)
    print(json.dumps({"loaded": before, "encoded": peak_mb()}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
