"""Features: one row a customer, a function of the as-of view and nothing else."""
