"""How good is it: metrics, comparison, continual learning."""
