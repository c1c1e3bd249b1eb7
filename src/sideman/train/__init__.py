"""Fit the network: recipes, batches, the loop. Needs PyTorch."""
