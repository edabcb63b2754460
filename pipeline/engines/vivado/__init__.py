"""The engine of Vivado: resources, timing and bitfiles of the vendor's own tools."""
