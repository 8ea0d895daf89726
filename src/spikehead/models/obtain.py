"""Encoders by name, built where they are not there yet."""

from __future__ import annotations

from collections.abc import Callable

from spikehead.encoders import Encoder, built_file, is_buildable, open_encoder


def obtain_encoder(
    name: str,
    *,
    n_threads: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Encoder:
    """Open an encoder by name; fetch and build a pretrained one that is not there yet.

    Parameters
    ----------
    name : str
        As `spikehead.encoders.open_encoder` takes it.
    n_threads : int, optional
        Threads to compute with. Default: as many as this process may use CPUs.
    progress : callable, optional
        Called with the bytes downloaded and the bytes in all.

    Raises
    ------
    ImportError
        If it has to be built and torch, or timm, is missing.
    OSError
        If its weights cannot be fetched, or its file cannot be read.
    ValueError
        If there is no such encoder, or its file is not one.
    """
    if is_buildable(name) and not built_file(name).exists():
        try:
            # Where encoders are made needs torch; where they work does not.
            from spikehead.backbones.build import build
        except ImportError as error:
            raise ImportError(
                f"the encoder {name} has to be built once, which needs torch ({error}): "
                'pip install "spikehead[train]"'
            ) from error
        build(name, progress=progress)
    return open_encoder(name, n_threads=n_threads)
