"""Runs on a virtual board: FINN+'s own driver, unmodified, on our bitfile. Prints JSON.

Arguments: the folder of its packages, the bitfile, settings.json, and the images.
"""

import json
import sys
from pathlib import Path

import numpy as np

packages, bitfile, settings, images = sys.argv[1:]
sys.path.append(packages)

from finn_plus_driver import get_driver_class  # type: ignore[import-not-found]  # noqa: E402

information = json.loads(Path(settings).read_text())["driver_information"]
given = np.load(images)
kind = get_driver_class(information["driver_type"])
driver = kind(bitfile, batch_size=len(given), **information)
found = driver.execute(given)
print(
    json.dumps(
        {
            "packed": bytes(driver.pack_input(driver.fold_input(given))).hex(),
            "outputs": found.astype(int).tolist(),
            "shape": list(found.shape),
        }
    )
)
