"""Music: MIDI files and scores to notes, notes to events and back, notes to sound."""
