"""The web page: write, compare, vote and play in a browser."""
