"""How much a take is liked."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Change the tables."""
    op.add_column("takes", sa.Column("liking", sa.Double()))


def downgrade() -> None:
    """Change them back."""
    op.drop_column("takes", "liking")
