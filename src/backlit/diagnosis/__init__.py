"""Diagnosis: why gradients vanish or explode: measured flow beside mean-field prediction, findings, remedies."""

from backlit.diagnosis.diagnose import diagnose
from backlit.diagnosis.result import Diagnosis

__all__ = ["Diagnosis", "diagnose"]
