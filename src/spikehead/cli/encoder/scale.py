"""spikehead encoder scale: a larger or smaller form of a network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal

import typer

from spikehead.cli import console, options
from spikehead.cli.commands import needs


def scale(
    baseline: Annotated[
        str, typer.Argument(help="efficientnet_b0, mobilenet_v1, mobilenet_v2 or resnet_50.")
    ],
    phi: Annotated[
        float | None, typer.Option(help="Compound coefficient: 1 doubles the multiply-adds.")
    ] = None,
    budget: Annotated[
        float | None, typer.Option(help="Scale as far as this cost allows, instead of by phi.")
    ] = None,
    cost: Annotated[
        Literal["multiply-adds", "parameters", "seconds"],
        typer.Option(help="What the budget limits; seconds: one image on one core."),
    ] = "multiply-adds",
    ratios: Annotated[
        tuple[float, float, float],
        typer.Option(help="alpha, beta, gamma: how depth, width and resolution grow."),
    ] = (1.2, 1.1, 1.15),
    as_json: options.Json = False,
) -> None:
    """Scale a baseline in depth, width and resolution together (EfficientNet paper, section 3)."""
    with needs("train"):
        from spikehead.backbones import scaling
    if baseline not in scaling.BASELINES:
        names = ", ".join(scaling.BASELINES)
        raise ValueError(f"there is no baseline {baseline!r}: choose {names}")
    if (phi is None) == (budget is None):
        raise typer.BadParameter("give either --phi or --budget.")
    network = scaling.BASELINES[baseline]
    by = scaling.Ratios(*ratios)
    if budget is not None:
        measures: dict[str, Callable[[scaling.Blueprint], float]] = {
            "multiply-adds": scaling.multiply_adds,
            "parameters": scaling.parameters,
            "seconds": scaling.latency,
        }
        phi, _ = scaling.scale_to_budget(network, measures[cost], budget, by)
    found = by.scale(float(phi or 0))
    scaled = network(found)
    facts = {
        "baseline": baseline,
        "phi": phi,
        "depth": round(found.depth, 4),
        "width": round(found.width, 4),
        "resolution": scaled.resolution,
        "parameters": scaling.parameters(scaled),
        "multiply_adds": scaling.multiply_adds(scaled),
    }
    if as_json:
        console.print_json(facts)
    else:
        console.print_facts(facts)
