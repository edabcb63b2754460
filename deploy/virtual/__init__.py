"""A board that is not there: real pynq and real SSH, with the Verilated shell as its FPGA."""

from deploy.virtual.board import VirtualBoard, start

__all__ = ["VirtualBoard", "start"]
