"""Tables: read from files, encoded as features, split, and written.

>>> import polars as pl
>>> table = pl.DataFrame({"age": range(20, 28), "color": ["red", "red", "blue", "blue"] * 2, "won": [0, 1] * 4})
>>> target = read_target(table, "won")
>>> train, test = split(target.y, test_size=0.5)
>>> encoder = TableEncoder.fit(table[target.rows[train]], drop=["won"])
>>> encoder.feature_names_out
('age', 'color=blue', 'color=red', 'color (unseen)')
>>> encoder.transform(table[target.rows[test]]).shape
(4, 4)

Polars is imported when the first table is read, not before.
"""

from backlit.tables.encoder import ColumnSummary, TableEncoder
from backlit.tables.splitting import split
from backlit.tables.table_files import check_table_suffix, read_table, write_table
from backlit.tables.target import Target, TargetCodec, read_target

__all__ = [
    "ColumnSummary",
    "TableEncoder",
    "Target",
    "TargetCodec",
    "check_table_suffix",
    "read_table",
    "read_target",
    "split",
    "write_table",
]
