"""${message}.

Expand first, contract in a later release: the version before this one must keep working on it.
"""

from tollkeeper.migrations.statements import run

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = ${repr(branch_labels)}
depends_on = ${repr(depends_on)}


def upgrade() -> None:
    run(
        """
        """
    )


def downgrade() -> None:
    raise NotImplementedError("restore a backup instead: history is never unmade")
