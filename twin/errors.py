"""What the twin refuses on purpose, beside the errors of `wire`."""

from wire.errors import UserError

__all__ = ["ConflictError", "NotFoundError"]


class NotFoundError(UserError):
    """No such point, element, change or command."""


class ConflictError(UserError):
    """It exists, but what was asked cannot be done in its present state."""
