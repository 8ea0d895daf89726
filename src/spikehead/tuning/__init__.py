"""Tuning: a genetic search and a stochastic descent over CoLaNET's hyperparameters."""
