"""The bits of the registers. driver.py has their values, written by its template."""

from __future__ import annotations

from pipeline.rtl.shell import registers

START, DONE, IDLE = (1 << bit for bit in (registers.START, registers.DONE, registers.IDLE))
_STATUS = registers.BY_NAME["status"].bits
ERRORS = {bit: text for bit, _, text in _STATUS if registers.ERRORS >> bit & 1}
"""What each error bit of the register `status` means."""
STATES = {bit: text for bit, _, text in _STATUS if not registers.ERRORS >> bit & 1}
"""What each other bit of it means."""
EXTENT = registers.SIGNATURES + registers.PAGE
"""Bytes of addresses that the registers take."""
