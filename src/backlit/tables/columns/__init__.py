"""The kinds of column: how the values of each become numbers, as data that a model file can hold."""

from backlit.tables.columns.base import Column, leave_out, settle
from backlit.tables.columns.kinds import Category, Dropped, Flag, Presence
from backlit.tables.columns.scaled import Scaled, as_numbers, standard

FORMS: dict[str, type[Column]] = {form.form: form for form in (Scaled, Flag, Category, Presence, Dropped)}

__all__ = [
    "FORMS",
    "Category",
    "Column",
    "Dropped",
    "Flag",
    "Presence",
    "Scaled",
    "as_numbers",
    "leave_out",
    "settle",
    "standard",
]
