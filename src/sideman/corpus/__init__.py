"""A folder of files becomes shards of events; no PyTorch here."""
