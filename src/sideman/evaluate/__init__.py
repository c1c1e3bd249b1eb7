"""Is it any good? Figures of pieces, of pieces against what was asked, of sets of pieces."""
