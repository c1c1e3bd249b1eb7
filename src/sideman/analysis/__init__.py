"""What is in a score: its key, chords, beats and metre, told from the notes alone."""
