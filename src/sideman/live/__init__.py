"""Play along: memory, plan, clock and ports of a partner who listens and answers."""
