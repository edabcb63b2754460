"""The parts of driver.py: what runs on the board. They need NumPy, and pynq only to program it."""
