"""CoLaNET: the head as its paper has it, with columns of competing neurons."""

from spikehead.heads.colanet.parameters import RECOMMENDED, CoLaNETParameters

__all__ = ["RECOMMENDED", "CoLaNETParameters"]
