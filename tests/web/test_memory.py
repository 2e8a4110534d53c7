"""What a web process gives back of the memory that a large request took."""

import ctypes
import subprocess
import sys

import pytest

from tests.web.test_headers import ROOT

BODY_MB, MOST_KEPT_MB = 15, 5
# As a gunicorn that has read its configuration, and threads of it that read bodies.
PROGRAM = f"""
import pathlib, sys, threading
hooks = {{}}
exec(pathlib.Path(sys.argv[1]).read_text(), hooks)
if sys.argv[2] == "configured":
    hooks["on_starting"](None)

def resident_mb():
    lines = pathlib.Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))

def read_bodies():
    for _ in range(5):
        b"x" * ({BODY_MB} << 20)
    read.set()
    end.wait()

read, end = threading.Event(), threading.Event()
before = resident_mb()
threading.Thread(target=read_bodies).start()
read.wait()
print(resident_mb() - before)
end.set()
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="another C library, with habits of its own")
def test_web_process_keeps_nothing_of_a_large_body() -> None:
    kept_mb = {
        how: float(subprocess.check_output([sys.executable, "-c", PROGRAM, str(ROOT / "gunicorn.conf.py"), how]))
        for how in ("configured", "as it comes")
    }

    assert kept_mb["configured"] < MOST_KEPT_MB
    assert kept_mb["as it comes"] >= BODY_MB - MOST_KEPT_MB, "nothing was kept anyway, so nothing was shown"
