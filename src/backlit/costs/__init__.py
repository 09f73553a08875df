"""What a network costs, counted before it runs: operations and bytes, equation by equation."""

from backlit.costs.ledger import Entry, Ledger, count
from backlit.costs.report import Cost, cost
from backlit.costs.workers import ManyWorkers

__all__ = ["Cost", "Entry", "Ledger", "ManyWorkers", "cost", "count"]
