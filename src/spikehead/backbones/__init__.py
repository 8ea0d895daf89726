"""Where frozen encoders are made: in torch, which the extra `train` installs."""
