"""Diagnosis: why gradients vanish or explode: measured flow beside mean-field prediction, findings, remedies."""

from backlit.diagnosis.result import Diagnosis
from backlit.diagnosis.verb import diagnose

__all__ = ["Diagnosis", "diagnose"]
