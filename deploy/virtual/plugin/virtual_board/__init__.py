"""What makes a Python of the board environment one of a virtual board. It needs no other room."""
