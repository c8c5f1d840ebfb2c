"""Gateways from afar: what each shall run, rolled out in stages and taken back, and what they answer when asked."""
