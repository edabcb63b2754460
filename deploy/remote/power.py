"""Reads the board's power sensors, idle and while the driver works. Runs on the board, as root.

The last line of its output is one JSON object: rails in watts, or why there are none.
"""

import contextlib
import json
import subprocess
import sys
import time

IDLE_SECONDS = 1.0
PAUSE_SECONDS = 0.1


def read(rails: dict) -> dict:  # type: ignore[type-arg] # a board's Python may be 3.8
    """Watts of each rail that measures power, or voltage and current."""
    found = {}
    for name, rail in rails.items():
        with contextlib.suppress(OSError, ValueError):
            if rail.power is not None:
                found[name] = float(rail.power.value)
            elif rail.voltage is not None and rail.current is not None:
                found[name] = float(rail.voltage.value) * float(rail.current.value)
    return found


def mean(samples: list) -> dict:  # type: ignore[type-arg]
    names = samples[0].keys() if samples else ()
    return {name: sum(sample.get(name, 0) for sample in samples) / len(samples) for name in names}


def main(command: list) -> dict:  # type: ignore[type-arg]
    try:
        import pynq  # noqa: PLC0415 - its absence is an answer

        rails = dict(pynq.get_rails())
    except Exception as error:  # noqa: BLE001 - whatever PYNQ lacks here, the verdict says so
        return {"rails": {}, "why": f"PYNQ cannot read power: {type(error).__name__}: {error}"}
    if not read(rails):
        return {"rails": {}, "why": "this board has no power sensors that PYNQ reads"}
    idle, busy = [], []
    end = time.monotonic() + IDLE_SECONDS
    while time.monotonic() < end:
        idle.append(read(rails))
        time.sleep(PAUSE_SECONDS)
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as working:
        while working.poll() is None:
            busy.append(read(rails))
            time.sleep(PAUSE_SECONDS)
    first, second = mean(idle), mean(busy)
    return {"rails": {name: {"idle": first[name], "busy": second.get(name, 0)} for name in first}}


print(json.dumps(main([sys.executable, *sys.argv[1:]])))
