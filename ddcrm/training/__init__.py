"""Training: fits on the features of an as_of, and the registry that keeps what they learned."""
