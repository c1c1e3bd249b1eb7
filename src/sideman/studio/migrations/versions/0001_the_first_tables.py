"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_ID = sa.String(16)
_NAME = sa.String(200)
_CLIENT = sa.String(64)


def upgrade() -> None:
    """Change the tables."""
    op.create_table(
        "projects",
        sa.Column("id", _ID, nullable=False),
        sa.Column("name", _NAME, nullable=False),
        sa.Column("head", sa.Integer()),
        sa.Column("created", sa.DateTime(), nullable=False),
        sa.Column("changed", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_projects"),
    )
    op.create_table(
        "revisions",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("project", _ID, nullable=False),
        sa.Column("parent", sa.Integer()),
        sa.Column("label", _NAME, nullable=False),
        sa.Column("score", sa.LargeBinary(), nullable=False),
        sa.Column("created", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_revisions"),
        _belongs("revisions", "project", "projects"),
    )
    op.create_table(
        "jobs",
        sa.Column("id", _ID, nullable=False),
        sa.Column("project", _ID, nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("task", sa.String(40), nullable=False),
        sa.Column("request", sa.JSON(), nullable=False),
        sa.Column("locks", sa.JSON(), nullable=False),
        sa.Column("client", _CLIENT, nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("message", sa.String(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("created", sa.DateTime(), nullable=False),
        sa.Column("finished", sa.DateTime()),
        sa.PrimaryKeyConstraint("id", name="pk_jobs"),
        _belongs("jobs", "project", "projects"),
    )
    op.create_table(
        "takes",
        sa.Column("id", _ID, nullable=False),
        sa.Column("project", _ID, nullable=False),
        sa.Column("job", _ID, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("parent_revision", sa.Integer(), nullable=False),
        sa.Column("name", _NAME, nullable=False),
        sa.Column("kept", sa.Boolean(), nullable=False),
        sa.Column("first_bar", sa.Integer(), nullable=False),
        sa.Column("end_bar", sa.Integer(), nullable=False),
        sa.Column("n_notes", sa.Integer(), nullable=False),
        sa.Column("recipe", sa.JSON(), nullable=False),
        sa.Column("score", sa.LargeBinary(), nullable=False),
        sa.Column("created", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_takes"),
        _belongs("takes", "project", "projects"),
        _belongs("takes", "job", "jobs"),
    )
    op.create_table(
        "pairs",
        sa.Column("id", _ID, nullable=False),
        sa.Column("task", sa.String(40), nullable=False),
        sa.Column("request", sa.JSON(), nullable=False),
        sa.Column("prompt", sa.LargeBinary(), nullable=False),
        sa.Column("left", sa.LargeBinary(), nullable=False),
        sa.Column("right", sa.LargeBinary(), nullable=False),
        sa.Column("left_recipe", sa.JSON(), nullable=False),
        sa.Column("right_recipe", sa.JSON(), nullable=False),
        sa.Column("bundle", _NAME, nullable=False),
        sa.Column("bundle_hash", sa.String(64), nullable=False),
        sa.Column("latency_s", sa.Double(), nullable=False),
        sa.Column("repeats", _ID),
        sa.Column("listener", _CLIENT, nullable=False),
        sa.Column("created", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_pairs"),
    )
    op.create_table(
        "votes",
        sa.Column("pair", _ID, nullable=False),
        sa.Column("answer", sa.String(20), nullable=False),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.Column("created", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("pair", name="pk_votes"),
        _belongs("votes", "pair", "pairs"),
    )
    op.create_index("ix_revisions_project", "revisions", ["project"])
    op.create_index("ix_jobs_project", "jobs", ["project"])
    op.create_index("ix_jobs_state", "jobs", ["state"])
    op.create_index("ix_takes_project", "takes", ["project"])
    op.create_index("ix_takes_job", "takes", ["job"])
    op.create_index("ix_pairs_listener_created", "pairs", ["listener", "created"])


def downgrade() -> None:
    """Change them back."""
    for name in ("votes", "pairs", "takes", "jobs", "revisions", "projects"):
        op.drop_table(name)


def _belongs(table: str, column: str, owner: str) -> sa.ForeignKeyConstraint:
    """Return the rule that rows go when what they belong to goes."""
    return sa.ForeignKeyConstraint(
        [column], [f"{owner}.id"], name=f"fk_{table}_{column}", ondelete="CASCADE"
    )
