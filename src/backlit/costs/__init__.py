"""What a network costs, counted before it runs: operations and bytes, equation by equation."""

from backlit.costs.ledger import Entry, Ledger, count
from backlit.costs.report import Cost, cost

__all__ = ["Cost", "Entry", "Ledger", "cost", "count"]
