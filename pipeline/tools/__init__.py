"""External programs, one module for each. `process` starts all of them."""
