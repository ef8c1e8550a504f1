"""Names that become file names: one rule for models, adapters, staging keys and the files within."""

from __future__ import annotations

import re

from surco.embedstore.errors import StoreError

__all__ = ["check_name"]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


def check_name(name: str, what: str) -> str:
    """Return `name` unchanged where it is safe as a file name.

    Args:
        name: what a user or a file calls it.
        what: the kind of thing, for the message: "model id", "adapter name".

    Raises:
        StoreError: anything but letters, digits, dot, underscore and hyphen, a first character that is no letter or
            digit (so neither `..` nor a hidden file), or more than 128 characters.
    """
    if not isinstance(name, str) or _NAME.fullmatch(name) is None:
        raise StoreError(
            f"a {what} of letters, digits, '.', '_' and '-', starting with a letter or digit",
            repr(name),
            "Choose another name; it becomes a folder of the store.",
        )
    return name
