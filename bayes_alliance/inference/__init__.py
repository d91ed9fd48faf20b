"""What rows say: likelihood, ML and REML, priors, the engines."""
