"""The spiking heads. They know nothing of photos, encoders, files or torch."""
