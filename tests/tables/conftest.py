"""A table file from text or bytes, wherever a test needs one."""

from pathlib import Path

import pytest


@pytest.fixture
def table_file(tmp_path):
    def write(content: str | bytes, name: str = "table.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write
