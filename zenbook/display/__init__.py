"""Tables, pictures of runs and terminal progress."""
