"""What a revision was made of."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Change the tables."""
    op.add_column("revisions", sa.Column("take", sa.String(16)))


def downgrade() -> None:
    """Change them back."""
    op.drop_column("revisions", "take")
