"""A spiking head that learns online, in one pass, on top of any frozen vision encoder."""
