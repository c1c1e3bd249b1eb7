"""How Alembic changes the tables: on the connection it is given."""

from alembic import context

from sideman.studio.store.tables import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,  # SQLite changes a table by making another
)
with context.begin_transaction():
    context.run_migrations()
