"""What was really built: evidence of a cloud's rays for and against each element of the plan."""
