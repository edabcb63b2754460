"""External programs: one file each, all started by `process`."""
