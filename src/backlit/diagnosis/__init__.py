"""Diagnosis: why gradients vanish or explode: measured flow beside mean-field prediction, findings, remedies."""

from backlit.diagnosis.diagnose import Diagnosis, diagnose

__all__ = ["Diagnosis", "diagnose"]
