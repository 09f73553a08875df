"""The kinds of column: how the values of each become numbers, as data that a model file can hold."""

from backlit.io.tables.columns.base import Column, leave_out, settle
from backlit.io.tables.columns.category import Category
from backlit.io.tables.columns.flag import Flag
from backlit.io.tables.columns.plain import Dropped, Presence
from backlit.io.tables.columns.scaled import Scaled, as_numbers, standard

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
