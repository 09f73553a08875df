"""Diagnosis: why gradients vanish or explode: measured flow beside mean-field prediction, findings, remedies."""
