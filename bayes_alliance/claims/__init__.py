"""Does each published claim survive? Claims as predicates over posteriors, and what would change the verdict."""
