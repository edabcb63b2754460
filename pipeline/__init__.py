"""The chain from a trained quantised network to a proved accelerator; one room per stage."""
