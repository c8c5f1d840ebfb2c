"""A cloud laid on a model: from a prior to a fit that is accepted, or refused with what to measure next (ADR 0023)."""
