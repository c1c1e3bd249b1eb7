"""Sideman: a musical partner that learns from MIDI, writes with you and plays along.

This module holds the version and nothing else, so that importing it costs nothing.
"""

__version__ = "0.1.0"
