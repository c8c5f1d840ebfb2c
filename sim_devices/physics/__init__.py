"""What happens in the park, stepped by numpy over all devices of a kind; clock and randomness come from outside."""
