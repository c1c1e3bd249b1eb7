"""Run a bundle on a CPU: session, sampling, generation, composing. No PyTorch here."""
