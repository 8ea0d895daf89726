"""CoLaNET: the head as its paper has it, with columns of competing neurons."""

from spikehead.heads.colanet.parameters import CoLaNETParameters

__all__ = ["CoLaNETParameters"]
