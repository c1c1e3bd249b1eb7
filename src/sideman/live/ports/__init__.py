"""MIDI ports of every kind behind one interface; each needs its package only when opened."""
