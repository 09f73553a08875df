"""No public name, parameter, default or option is lost; new ones may come."""

from tests.golden.names import names, recorded


def test_no_name_is_lost():
    now = set(names())
    lost = [line for line in recorded() if line not in now]
    assert len(recorded()) > 500
    assert not lost, "lost, or with another default:\n" + "\n".join(lost)
