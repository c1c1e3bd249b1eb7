"""What the studio keeps: projects, takes, jobs and votes, in SQLite or PostgreSQL."""
