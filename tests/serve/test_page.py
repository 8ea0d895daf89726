"""The teaching page, in a real browser: from an empty model to three classes, and a restart."""

import shutil
import socket
import subprocess
import time
from contextlib import suppress

import numpy as np
import pytest

from spikehead import HybridClassifier
from spikehead.names import shown
from spikehead.serve.app import create_app
from spikehead.serve.teacher import Teacher

playwright = pytest.importorskip("playwright.sync_api")

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "chrome"))), None)
if CHROMIUM is None:
    pytest.skip("needs Chromium", allow_module_level=True)

KINDS = ("disc", "frame", "half")
SECONDS, FRAMES = 4, 5  # of each kind in the camera's film, and frames a second
PATIENCE = 120_000  # milliseconds
TOKEN = "a token of the tests"


def film(path, drawing) -> None:
    """Write what the camera sees: each kind for some seconds, over and over."""
    with path.open("wb") as file:
        file.write(f"YUV4MPEG2 W240 H240 F{FRAMES}:1 Ip A1:1 C420jpeg\n".encode())
        for kind in KINDS:
            for number in range(SECONDS * FRAMES):
                planes = drawing(kind, number, 240).convert("YCbCr").split()
                sizes = (240, 240), (120, 120), (120, 120)
                frame = [p.resize(s).tobytes() for p, s in zip(planes, sizes, strict=True)]
                file.write(b"FRAME\n" + b"".join(frame))


@pytest.fixture
def folder(tmp_path):
    HybridClassifier("bundled").save(tmp_path / "things")
    return tmp_path / "things"


@pytest.fixture
def served(run, folder):
    """Return a function that serves the model anew and gives its address."""
    return lambda **options: run(create_app(Teacher(folder), rate=1000.0, **options))


@pytest.fixture
def page(tmp_path, drawing):
    """Open a page in a browser whose camera shows the film; note failures and foreign requests."""
    film(tmp_path / "film.y4m", drawing)
    with playwright.sync_playwright() as play:
        browser = play.chromium.launch(
            executable_path=CHROMIUM,
            args=[
                "--no-sandbox",
                "--use-fake-device-for-media-stream",
                "--use-fake-ui-for-media-stream",
                f"--use-file-for-fake-video-capture={tmp_path / 'film.y4m'}",
            ],
        )
        page = browser.new_page(viewport={"width": 390, "height": 844}, color_scheme="dark")
        page.set_default_timeout(PATIENCE)
        playwright.expect.set_options(timeout=PATIENCE)
        failures = []
        page.on("pageerror", lambda error: failures.append(str(error)))
        page.on("console", lambda m: failures.append(m.text) if m.type == "error" else None)
        page.on("request", lambda r: failures.append(r.url) if "//127.0.0.1" not in r.url else None)
        page.failures = failures
        yield page
        browser.close()


def wait_for(page, drawing, kind: str) -> None:
    """Wait until the camera begins to show a kind."""
    looks = [np.asarray(drawing(k, 0, 8).convert("L"), float) for k in KINDS]

    def now() -> str:
        pixels = page.evaluate("""() => {
            const canvas = new OffscreenCanvas(8, 8), context = canvas.getContext("2d");
            context.drawImage(document.getElementById("video"), 0, 0, 8, 8);
            return [...context.getImageData(0, 0, 8, 8).data];
        }""")
        seen = np.reshape(pixels, (8, 8, 4))[..., 0]
        return KINDS[int(np.argmin([np.square(seen - look).mean() for look in looks]))]

    while now() == kind:
        time.sleep(0.05)
    while now() != kind:
        time.sleep(0.05)


def recognises(page, drawing, kind: str) -> None:
    wait_for(page, drawing, kind)
    playwright.expect(page.locator("#answer-name")).to_have_text(kind)


def test_three_classes_from_nothing_and_after_a_restart(page, served, drawing):
    page.goto(served())
    playwright.expect(page.locator("#summary")).to_have_text("things knows nothing yet")
    button = page.get_by_role("button", name="Hold to teach")
    playwright.expect(button).to_be_disabled()
    page.get_by_role("button", name="Start the camera").click()
    said = page.locator("#said")
    for place, kind in enumerate(KINDS):
        page.get_by_label("What is it?").fill(kind)
        wait_for(page, drawing, kind)
        if place == 0:  # by mouse or finger
            button.hover()
            page.mouse.down()
            page.wait_for_timeout(1500)
            page.mouse.up()
        elif place == 1:  # by keyboard
            page.get_by_label("What is it?").press("Enter")
            page.keyboard.down("Space")
            page.wait_for_timeout(1500)
            page.keyboard.up("Space")
        else:  # a tap
            button.click()
        playwright.expect(said).to_contain_text(f"of “{kind}”")
    for kind in KINDS:
        recognises(page, drawing, kind)
    assert "Spikes: " in page.get_by_role("img", name="Spikes").get_attribute("aria-label")

    before = page.locator("#classes").inner_text()
    button.click()
    playwright.expect(page.locator("#lessons li")).to_have_count(4)
    page.get_by_role("button", name="Undo “half”").click()
    playwright.expect(said).to_contain_text("Undid")
    assert page.locator("#classes").inner_text() == before

    page.goto("about:blank")
    page.goto(served())
    playwright.expect(page.locator("#summary")).to_contain_text("things knows 3 classes")
    page.get_by_role("button", name="Start the camera").click()
    for kind in KINDS:
        recognises(page, drawing, kind)
    with page.expect_download() as download:
        page.get_by_role("button", name="Download the model").click()
    assert download.value.suggested_filename == "things.zip"
    assert page.failures == []


def test_photos_instead_of_a_camera(page, served, drawing, tmp_path):
    files = {}
    for kind in KINDS:
        for number in range(4):
            path = tmp_path / f"{kind} {number}.png"
            drawing(kind, number, 64).save(path)
            files.setdefault(kind, []).append(str(path))
    (tmp_path / "a text.png").write_text("no photo")
    page.goto(served())
    page.get_by_role("button", name="Photos").click()
    for kind in KINDS:
        page.locator("#file-input").set_input_files([*files[kind], str(tmp_path / "a text.png")])
        playwright.expect(page.locator("#tiles li")).to_have_count(5)
        page.get_by_label("What is it?").fill(kind)
        page.get_by_role("button", name="Teach 5 photos").click()
        playwright.expect(page.locator("#said")).to_contain_text(f"Learned 4 photos of “{kind}”")
        playwright.expect(page.locator("#said")).to_contain_text("a text.png was left out: it is")
    page.locator("#file-input").set_input_files([files[kind][0] for kind in KINDS])
    playwright.expect(page.locator("#tiles li")).to_have_text(list(KINDS))


def test_photos_that_are_left_out_are_named(page, served, drawing, tmp_path):
    files = []
    for number in range(52):
        drawing("disc", number, 16).save(tmp_path / f"{number}.png")
        files.append(str(tmp_path / f"{number}.png"))
    (tmp_path / "large.png").write_bytes(bytes(5 << 20))
    (tmp_path / "7.png").write_text("no photo")
    page.goto(served())
    page.get_by_role("button", name="Photos").click()
    page.locator("#file-input").set_input_files([str(tmp_path / "large.png"), *files])
    left_out = page.locator("#left-out li")
    playwright.expect(page.locator("#tiles li")).to_have_count(49)
    too_large = "large.png is left out: the browser cannot read it, and it is too large to be sent "
    too_many = [f"{n}.png is left out: 50 photos are taken at a time." for n in (49, 50, 51)]
    playwright.expect(left_out).to_have_text([*too_many, f"{too_large}as it is."])
    page.get_by_label("What is it?").fill("disc")
    page.get_by_role("button", name="Teach 49 photos").click()
    playwright.expect(page.locator("#said")).to_contain_text("Learned 48 photos of “disc”; 7.png")
    playwright.expect(left_out).to_have_count(5)
    playwright.expect(left_out.first).to_contain_text("7.png is left out: it is not a")


def test_names_are_shown_and_do_nothing(page, served, drawing, tmp_path, folder):
    names = ["b\n", "\u202egnp.exe", "<i>x</i>", "long" * 70]
    teacher = Teacher(folder)
    for name in names:
        teacher.add_class(name)
    drawing("disc", 0, 16).save(tmp_path / "a\u202eb.png")
    page.goto(served())
    known = page.locator("#classes .name")
    playwright.expect(known).to_have_text([shown(name) for name in names])
    ways = known.evaluate_all("all => all.map((name) => getComputedStyle(name).unicodeBidi)")
    assert set(ways) == {"isolate"}

    # Each can be chosen and taught, whatever a field makes of it.
    page.get_by_role("button", name="Photos", exact=True).click()
    page.locator("#file-input").set_input_files(str(tmp_path / "a\u202eb.png"))
    for name in names:
        page.get_by_role("button", name=shown(name), exact=True).click()
        page.get_by_role("button", name="Teach 1 photo as").click()
        playwright.expect(page.locator("#said")).to_contain_text(shown(name))
    playwright.expect(page.locator("#classes .count")).to_have_text(["1 photo"] * 4)
    assert page.locator("#tiles img").get_attribute("alt") == "a\\u202eb.png"

    text = "".join(map(chr, [*range(0xD800), *range(0xE000, 0x11000)]))
    show = "async (text) => (await import('./names.js')).shown(text)"
    assert page.evaluate(show, text) == shown(text)
    broken = "async () => (await import('./names.js')).shown('a\\ud800b\\udfff')"
    assert page.evaluate(broken) == shown("a\ud800b\udfff")
    assert page.failures == []


def test_the_token(page, served):
    url = served(token=TOKEN)
    page.goto(url)
    page.get_by_label("The service printed one").fill(TOKEN)
    page.get_by_role("button", name="Go on").click()
    playwright.expect(page.locator("#summary")).to_have_text("things knows nothing yet")
    page.evaluate("sessionStorage.clear()")
    page.goto("about:blank")
    page.goto(f"{url}/#token={TOKEN}".replace(" ", "%20"))
    playwright.expect(page.locator("#summary")).to_have_text("things knows nothing yet")
    assert TOKEN.replace(" ", "%20") not in page.url


NGINX = """
daemon off;
pid nginx.pid;
error_log error.log;
events {}
http {
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    server {
        listen 127.0.0.1:%d ssl;
        ssl_certificate cert.pem;
        ssl_certificate_key key.pem;
        client_max_body_size 32m;
        location / {
            proxy_pass %s;
            proxy_set_header X-Forwarded-For $remote_addr;
        }
    }
}
"""


@pytest.mark.skipif(not shutil.which("nginx"), reason="needs nginx")
@pytest.mark.skipif(not shutil.which("openssl"), reason="needs openssl for a certificate")
def test_behind_a_proxy_that_ends_tls_and_rewrites_the_host(page, run, folder, drawing, tmp_path):
    app = create_app(
        Teacher(folder), rate=1000.0, hosts={"127.0.0.1"}, proxies=["127.0.0.1"], token=TOKEN
    )
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    (tmp_path / "nginx.conf").write_text(NGINX % (port, run(app, proxies=["127.0.0.1"])))
    files = "-keyout", "key.pem", "-out", "cert.pem"
    subprocess.run(
        [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-subj",
            "/CN=localhost",
            *files,
        ],
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )
    nginx = subprocess.Popen(["nginx", "-p", tmp_path, "-c", "nginx.conf"])
    try:
        for _ in range(1000):
            with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
            time.sleep(0.01)
        drawing("disc", 0, 16).save(tmp_path / "a.png")
        safe = page.context.browser.new_page(ignore_https_errors=True)
        safe.goto(f"https://127.0.0.1:{port}/#token={TOKEN}".replace(" ", "%20"))
        safe.get_by_role("button", name="Photos").click()
        safe.locator("#file-input").set_input_files(str(tmp_path / "a.png"))
        safe.get_by_label("What is it?").fill("disc")
        safe.get_by_role("button", name="Teach 1 photo").click()
        playwright.expect(safe.locator("#said")).to_contain_text("Learned 1 photo of “disc”")
    finally:
        nginx.terminate()
        nginx.wait()


def test_a_service_that_is_gone(page, served, drawing):
    page.goto(served())
    page.get_by_role("button", name="Start the camera").click()
    page.get_by_label("What is it?").fill("disc")
    page.route("**/api/**", lambda route: route.abort())
    page.get_by_role("button", name="Hold to teach").click()
    playwright.expect(page.get_by_role("alert")).to_have_text("The service does not answer.")
    page.unroute("**/api/**")
    page.get_by_role("button", name="Hold to teach").click()
    playwright.expect(page.locator("#said")).to_contain_text("Learned 5 photos")
    playwright.expect(page.get_by_role("alert")).to_be_hidden()
