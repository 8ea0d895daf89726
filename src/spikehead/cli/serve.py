"""spikehead serve: a model that answers and is taught over HTTP, and a page for it."""

from __future__ import annotations

import secrets
import socket
import ssl
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated

import typer

from spikehead import storage
from spikehead.cli import console, models
from spikehead.cli.demo import THROUGH_ENCODER

GRACE = 5
"""Seconds that requests have to end when the service is stopped."""


def serve(
    model: Annotated[Path, typer.Argument(help="Model folder; made where there is none.")],
    host: Annotated[
        str, typer.Option(help="Address to listen on; any but this machine's own needs a token.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 for any free one.")] = 8000,
    token: Annotated[
        str | None,
        typer.Option(
            envvar="SPIKEHEAD_TOKEN",
            help="What requests must bring as a bearer token.  [default: none where only this "
            "machine can ask, else one is made and printed]",
            show_default=False,
        ),
    ] = None,
    certificate: Annotated[
        Path | None,
        typer.Option(help="TLS certificate (PEM); without it, other machines get no camera."),
    ] = None,
    key: Annotated[Path | None, typer.Option(help="Key of the certificate (PEM).")] = None,
    rate: Annotated[
        float, typer.Option(min=0.1, help="Requests a second that a client may make, over time.")
    ] = 20.0,
    encoder: console.EncoderName = None,
    parameters: models.ParametersFile = None,
    members: models.Members = None,
    seed: models.Seed = None,
    threads: console.Threads = None,
) -> None:
    """Serve a model: a page where anyone can teach it by camera or files, and a REST interface.

    Each lesson is on the disk before it is acknowledged, and can be undone. Ctrl-C stops it.
    """
    with console.needs("serve"):
        import uvicorn

        from spikehead.serve.app import create_app
        from spikehead.serve.teacher import Teacher
    _check(token, certificate, key)
    given = models.given(model, encoder=encoder, parameters=parameters, members=members, seed=seed)
    if not storage.is_model(model):
        models.new(threads, for_bundled=THROUGH_ENCODER, **given).save(model)
    local = _is_local(host)
    if not local and token is None:
        token = secrets.token_urlsafe(18)
    with _listening(host, port) as listener:
        app = create_app(
            Teacher(model, n_threads=threads),
            token=token,
            hosts={host, "localhost", "127.0.0.1", "::1"} if local else None,
            rate=rate,
        )
        config = uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,
            server_header=False,
            ssl_certfile=certificate,
            ssl_keyfile=key,
            timeout_graceful_shutdown=GRACE,
        )
        scheme = "https" if certificate else "http"
        _announce(model, scheme, host, listener.getsockname()[1], token)
        uvicorn.Server(config).run([listener])


def _check(token: str | None, certificate: Path | None, key: Path | None) -> None:
    if token is not None and not (len(token) >= 8 and token.isascii() and token.isprintable()):
        raise typer.BadParameter("give at least 8 ASCII characters.", param_hint="--token")
    if certificate is None:
        if key is not None:
            raise typer.BadParameter("it needs a --certificate.", param_hint="--key")
        return
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(certificate, key)
    except OSError as error:
        raise typer.BadParameter(
            f"{certificate} cannot be used with {key or 'the key in it'}: {error}.",
            param_hint="--certificate",
        ) from None


def _is_local(host: str) -> bool:
    """Return whether only this machine can reach a service that listens there."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _listening(host: str, port: int) -> socket.socket:
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address, family=family)
    except OSError as error:
        raise OSError(
            f"cannot listen on {host}, port {port}: {error.strerror}; choose another --host or "
            "--port"
        ) from error


def _announce(model: Path, scheme: str, host: str, port: int, token: str | None) -> None:
    try:
        anywhere = ip_address(host).is_unspecified
    except ValueError:
        anywhere = False
    name = socket.gethostname() if anywhere else f"[{host}]" if ":" in host else host
    console.out.print(
        f"Serving {model} at {scheme}://{name}:{port}/{f'#token={token}' if token else ''} - "
        "Ctrl-C stops it.",
        soft_wrap=True,
    )
    if token and scheme == "http":
        console.messages.print(
            "Without --certificate, what is sent can be read on the way, and browsers give pages "
            "of other machines no camera; photos can be taken and sent all the same.",
            soft_wrap=True,
        )
