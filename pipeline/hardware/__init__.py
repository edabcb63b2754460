"""The hardware graph: the one description every hardware stage reads. Needs numpy only."""
