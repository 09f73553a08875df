"""The kinds of column: how the values of each become numbers, as data that a model file can hold."""

from backlit.tables.columns.calendar import Calendar
from backlit.tables.columns.kinds import (
    Category,
    Column,
    Dropped,
    Flag,
    Presence,
    Weighted,
    frequencies,
    leave_out,
    settle,
)
from backlit.tables.columns.scaled import Piecewise, Scaled, as_numbers, standard

KINDS = (Scaled, Flag, Category, Presence, Dropped, Piecewise, Calendar, Weighted)
FORMS: dict[str, type[Column]] = {form.form: form for form in KINDS}

__all__ = [
    "FORMS",
    "Calendar",
    "Category",
    "Column",
    "Dropped",
    "Flag",
    "Piecewise",
    "Presence",
    "Scaled",
    "Weighted",
    "as_numbers",
    "frequencies",
    "leave_out",
    "settle",
    "standard",
]
