"""Training: populations of models, their optimizer, and how predictions are scored."""
