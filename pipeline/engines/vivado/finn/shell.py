"""What FINN's Zynq shell takes beside the network: two DMAs of HLS, and interconnects.

No report of it by instance was found in public, so these are guesses that are meant to be high:
SmartConnect with 910 LUTs and 904 FFs for each of its two ports (one port measured on a Zynq-7000
with Vivado 2023.1: analogdevicesinc/hdl pull request 1054), 1,000 LUTs, 1,300 FFs and two RAMB18
for each DMA, and 600 LUTs for the interconnect with its converter to AXI4-Lite. `implement` tells
the truth, in the row "shell" of utilisation.csv.
"""

from __future__ import annotations

from pipeline.engines.utilisation import Utilisation

FINN_IO = "finn_io.json"
"""What the stage implement leaves for the driver beside the bitfile: see `products.interface`."""
_SMARTCONNECT_PORT = (910, 904)
_DMA = (1000, 1300)
_INTERCONNECT = (600, 800)
_DMA_RAMB18 = 2


def shell() -> Utilisation:
    """The same for all families and widths of the port, of which nothing is known."""
    lut, ff = (
        2 * port + 2 * dma + rest
        for port, dma, rest in zip(_SMARTCONNECT_PORT, _DMA, _INTERCONNECT, strict=True)
    )
    return Utilisation(lut, ff, 2 * _DMA_RAMB18 / 2)
