"""What was played, and when: note tables, time, MIDI files, General MIDI, harmony."""
