"""spikehead serve: a model that answers and is taught over HTTP, and a page for it."""

from __future__ import annotations

import secrets
import socket
import ssl
from functools import partial
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Annotated
from urllib.parse import SplitResult, urlsplit

import typer

from spikehead.cli import console, models, options, sources
from spikehead.cli.commands import needs
from spikehead.models import storage


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
    public: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Address under which a proxy offers the service, as https://teach.example.",
            show_default=False,
        ),
    ] = None,
    proxy: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ADDRESS",
            help="Believe the proxy of this address, or of a network as 10.0.0.0/8, when it says "
            "who asks (X-Forwarded-For); give it again for more.  [default: believe nobody]",
            show_default=False,
        ),
    ] = None,
    send_back: options.SendBack = None,
    encoder: options.EncoderName = None,
    head: options.HeadName = None,
    members: models.Members = None,
    seed: models.Seed = None,
    horizon: models.Horizon = None,
    threads: options.Threads = None,
    provider: options.Provider = "auto",
) -> None:
    """Serve a model: a page where anyone can teach it by camera or files, and a REST interface.

    Each lesson is on the disk before it is acknowledged, and can be undone. Ctrl-C stops it.
    """
    with needs("serve"):
        from spikehead.serve.app import create_app
        from spikehead.serve.server import Server
        from spikehead.serve.teacher import Teacher
    _check(token, certificate, key)
    offered = _parsed(public) if public else None
    proxies = [_network(address) for address in proxy or ()]
    local = _is_local(host)
    # Whoever reaches a proxy reaches this machine.
    if token is None and (not local or offered or proxies):
        token = secrets.token_urlsafe(18)
    with storage.writing(model), _listening(host, port) as listener:
        given = models.given(
            model, encoder=encoder, head=head, members=members, seed=seed, horizon=horizon
        )
        if not storage.is_model(model):
            models.new(threads, **given).save(model)
        names = {host, "localhost", "127.0.0.1", "::1", offered and offered.hostname}
        app = create_app(
            Teacher(
                model,
                n_threads=threads,
                send_back=send_back,
                place=partial(sources.placed, provider=provider),
            ),
            token=token,
            hosts={*filter(None, names)} if local else None,
            public=offered and f"{offered.scheme}://{offered.netloc}",
            proxies=proxies,
            rate=rate,
        )
        own = _address("https" if certificate else "http", host, listener.getsockname()[1])
        _announce(model, offered.geturl() if offered else own, token)
        server = Server(app, listener, proxies=proxies, certificate=certificate, key=key)
        server.serve_until_stopped()


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


def _parsed(public: str) -> SplitResult:
    """Return the parts of an address as browsers write them."""
    parts = urlsplit(public)
    usual = {"http": ":80", "https": ":443"}.get(parts.scheme)
    if usual is None or not parts.hostname or parts.query or parts.fragment or "@" in parts.netloc:
        raise typer.BadParameter(
            "give an address such as https://teach.example.", param_hint="--public"
        )
    path = f"{parts.path.rstrip('/')}/"
    return SplitResult(parts.scheme, parts.netloc.lower().removesuffix(usual), path, "", "")


def _network(proxy: str) -> str:
    try:
        return str(ip_network(proxy))
    except ValueError:
        raise typer.BadParameter(
            f"{proxy} is no address, and no network such as 10.0.0.0/8.", param_hint="--proxy"
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


def _address(scheme: str, host: str, port: int) -> str:
    try:
        anywhere = ip_address(host).is_unspecified
    except ValueError:
        anywhere = False
    name = socket.gethostname() if anywhere else f"[{host}]" if ":" in host else host
    return f"{scheme}://{name}:{port}/"


def _announce(model: Path, address: str, token: str | None) -> None:
    console.out.print(
        f"Serving {model} at {address}{f'#token={token}' if token else ''} - Ctrl-C stops it.",
        soft_wrap=True,
    )
    if token and address.startswith("http:"):
        console.messages.print(
            "Without --certificate, what is sent can be read on the way, and browsers give pages "
            "of other machines no camera; photos can be taken and sent all the same.",
            soft_wrap=True,
        )
