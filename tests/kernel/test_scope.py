from dataclasses import FrozenInstanceError

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollkeeper.kernel.ids import ProviderId, new_uuid7
from tollkeeper.kernel.scope import Permission, Scope

permissions = st.sampled_from(Permission)


@pytest.mark.parametrize(
    ("held", "allowed"),
    [
        (Permission.READ, {Permission.READ}),
        (Permission.WRITE, {Permission.READ, Permission.WRITE}),
        (Permission.ADMIN, {Permission.READ, Permission.WRITE, Permission.ADMIN}),
    ],
)
def test_each_permission_includes_the_ones_before(
    held: Permission, allowed: set[Permission]
) -> None:
    """A token that writes can read; one that reads can do nothing else."""
    assert {needed for needed in Permission if held.allows(needed)} == allowed


@given(permissions, permissions, permissions)
def test_inclusion_is_an_order(a: Permission, b: Permission, c: Permission) -> None:
    """No two permissions stand beside each other, so one answer is enough for every check."""
    assert a.allows(a)
    assert a.allows(b) or b.allows(a)
    assert not (a.allows(b) and b.allows(a)) or a is b
    assert not (a.allows(b) and b.allows(c)) or a.allows(c)


def test_permissions_are_spelled_as_in_the_contract() -> None:
    """Stored tokens and documentation hold these very words."""
    assert [str(permission) for permission in Permission] == ["api:read", "api:write", "api:admin"]


def test_a_scope_cannot_be_moved_to_another_provider() -> None:
    """What was checked for one provider is used for that provider."""
    scope = Scope(ProviderId(new_uuid7()))
    with pytest.raises(FrozenInstanceError):
        scope.provider_id = ProviderId(new_uuid7())  # type: ignore[misc]
