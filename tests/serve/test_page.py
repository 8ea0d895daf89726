"""The teaching page, in a real browser: by camera, photos, queue and keyboard, at any width."""

import io
import shutil
import socket
import subprocess
import time
from contextlib import suppress

import numpy as np
import pytest
from PIL import Image

from spikehead.models.queue import Queue
from spikehead.names import shown
from spikehead.serve.app import create_app
from spikehead.serve.teacher import Teacher

playwright = pytest.importorskip("playwright.sync_api")
axe = pytest.importorskip("axe_playwright_python.sync_playwright")

BROWSERS = "chromium", "chromium-browser", "google-chrome", "chrome"
CHROMIUM = next(filter(None, map(shutil.which, BROWSERS)), None)
if CHROMIUM is None:
    pytest.skip("needs Chromium", allow_module_level=True)

KINDS = ("disc", "frame", "half")
SECONDS, FRAMES = 2, 5  # of each kind in the camera's film, and frames a second
PATIENCE = 120_000  # milliseconds
TOKEN = "a token of the tests"
# How many photos are asked about at once.
COUNTED = """
    const plain = fetch;
    let now = 0;
    mostAtOnce = 0;
    fetch = async (path, ...rest) => {
        const counts = path === "api/predictions";
        mostAtOnce = Math.max(mostAtOnce, (now += counts));
        try { return await plain(path, ...rest); } finally { now -= counts; }
    };
"""


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
def served(run, folder):
    """Return a function that serves the model anew and gives its address."""
    return lambda **options: run(create_app(Teacher(folder), rate=1000.0, **options))


@pytest.fixture
def taught(folder, picture):
    """Let the model know three kinds well enough to tell what is unknown."""
    with Teacher(folder) as teacher:
        for start in range(0, 60, 20):
            for kind in KINDS:
                teacher.teach(kind, [picture(kind, start + number) for number in range(20)])


@pytest.fixture(scope="module")
def browser(tmp_path_factory, drawing):
    """Open a browser whose camera shows the film."""
    path = tmp_path_factory.mktemp("camera") / "film.y4m"
    film(path, drawing)
    with playwright.sync_playwright() as play:
        playwright.expect.set_options(timeout=PATIENCE)
        browser = play.chromium.launch(
            executable_path=CHROMIUM,
            args=[
                "--no-sandbox",
                "--use-fake-device-for-media-stream",
                "--use-fake-ui-for-media-stream",
                f"--use-file-for-fake-video-capture={path}",
            ],
        )
        yield browser
        browser.close()


@pytest.fixture
def page(browser):
    """Open a page on a small screen; note failures and foreign requests."""
    with browser.new_context(
        viewport={"width": 360, "height": 780}, color_scheme="dark", ignore_https_errors=True
    ) as context:
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        failures = []
        page.on("pageerror", lambda error: failures.append(str(error)))
        page.on("console", lambda m: failures.append(m.text) if m.type == "error" else None)
        page.on("request", lambda r: failures.append(r.url) if not is_here(r.url) else None)
        page.failures = failures
        yield page


def is_here(url: str) -> bool:
    return url.startswith(("http://127.0.0.1", "https://127.0.0.1", "blob:", "data:"))


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


def saved(folder, **images: Image.Image) -> list[str]:
    """Save images as photos, and return their paths."""
    for name, image in images.items():
        image.save(folder / f"{name}.png")
    return [str(folder / f"{name}.png") for name in images]


def stripes(width: int) -> Image.Image:
    """Draw what is of no kind."""
    return Image.fromarray(np.uint8(np.arange(64) // width % 2 * 255)[:, None].repeat(64, 1))


def choose(page, *paths: str) -> None:
    page.get_by_role("button", name="Photos", exact=True).click()
    page.locator("#file-input").set_input_files(list(paths))


def test_three_classes_from_nothing_and_after_a_restart(page, served, drawing):
    page.goto(served())
    playwright.expect(page.locator("#summary")).to_have_text("model knows nothing yet")
    button = page.get_by_role("button", name="Hold to teach")
    playwright.expect(button).to_be_disabled()
    page.get_by_role("button", name="Start the camera").click()
    said = page.locator("#said")
    for place, kind in enumerate(KINDS):
        page.get_by_label("What is it?").fill(kind)
        playwright.expect(button).to_have_text(f"Hold to teach “{kind}”")
        wait_for(page, drawing, kind)
        if place == 0:  # by mouse or finger
            button.hover()
            page.mouse.down()
            page.wait_for_timeout(1200)
            page.mouse.up()
        elif place == 1:  # by keyboard
            page.get_by_label("What is it?").press("Enter")
            page.keyboard.down("Space")
            page.wait_for_timeout(1200)
            page.keyboard.up("Space")
        else:  # a tap
            button.click()
        playwright.expect(said).to_contain_text(f"of “{kind}”")
    before = page.locator("#classes").inner_text()
    button.click()
    playwright.expect(page.locator("#lessons li")).to_have_count(4)
    page.get_by_role("button", name="Undo “half”").click()
    playwright.expect(said).to_contain_text("Undid “half”")
    assert page.locator("#classes").inner_text() == before
    samples = page.locator(".thumbs img")
    taught = samples.evaluate_all("all => all.map((one) => one.src)")
    page.reload()
    playwright.expect(samples).to_have_count(9)
    assert samples.evaluate_all("all => all.map((one) => one.src)") == taught

    page.add_init_script(COUNTED)
    page.goto("about:blank")
    page.goto(served())
    playwright.expect(page.locator("#summary")).to_contain_text("model knows 3 classes")
    page.get_by_role("button", name="Start the camera").click()
    for kind in KINDS:
        wait_for(page, drawing, kind)
        playwright.expect(page.locator("#answer-name")).to_have_text(kind)
    assert "Spikes: " in page.get_by_role("img", name="Spikes").get_attribute("aria-label")
    assert page.evaluate("mostAtOnce") == 1
    with page.expect_download() as download:
        page.get_by_role("button", name="Download the model").click()
    assert download.value.suggested_filename == "model.zip"
    assert page.failures == []


def test_what_is_unknown_is_taught_by_a_tap(page, served, taught, tmp_path, drawing):
    page.goto(served())
    files = saved(tmp_path, disc=drawing("disc", 99, 64), wide=stripes(16), narrow=stripes(8))
    choose(page, *files)
    playwright.expect(page.locator("#tiles li")).to_have_text(["disc", "unknown", "unknown"])
    tap = page.locator("#teach-stranger")
    playwright.expect(tap).to_be_hidden()
    page.locator("#tiles button").nth(1).click()
    playwright.expect(page.locator("#answer-name")).to_have_text("unknown")
    playwright.expect(tap).to_have_text("Name it")
    tap.click()
    page.keyboard.type("stripes")
    playwright.expect(tap).to_have_text("Teach it as “stripes”")
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")  # on the button, which has the focus
    playwright.expect(page.locator("#said")).to_have_text("Learned 1 photo of “stripes”.")
    playwright.expect(page.locator("#tiles li").nth(1)).to_have_text("stripes")
    page.get_by_label("What is it?").fill("disc")
    page.get_by_role("button", name="Ask if one is no “disc”").click()
    said = "photos are more like another thing than “disc”."
    playwright.expect(page.locator("#said")).to_contain_text(said)
    playwright.expect(page.locator("#tiles li").first).to_contain_text("rather “")
    playwright.expect(page.locator("#tiles li").last).to_have_text("disc")
    assert page.failures == []


def test_photos_wait_for_a_teacher(page, served, taught, folder, tmp_path, drawing):
    queue = Queue(folder)
    for number in range(3):
        name = queue.add(content(stripes(8 + 8 * number)), label="frame", source="camera 0")
        (queue.folder / name).touch()
    page.goto(served())
    note, photo = page.locator("#waiting-note"), page.locator("#waiting-photo")
    playwright.expect(note).to_contain_text("3 to go. Since")
    playwright.expect(note).to_contain_text("from camera 0; most like “frame”.")
    playwright.expect(photo).to_be_visible()
    page.locator("#choices").get_by_role("button", name="half").click()
    playwright.expect(page.locator("#said")).to_have_text("Learned 1 photo of “half”.")
    playwright.expect(note).to_contain_text("2 to go.")
    page.get_by_label("Another name for it").fill("stripes")
    page.get_by_label("Another name for it").press("Enter")
    playwright.expect(page.locator("#classes .name").last).to_have_text("stripes")
    playwright.expect(note).to_contain_text("1 to go.")
    page.get_by_role("button", name="Discard it").click()
    playwright.expect(page.locator("#waiting")).to_be_hidden()
    assert len(queue) == 0

    choose(page, *saved(tmp_path, **{kind: drawing(kind, 90, 64) for kind in KINDS}))
    page.get_by_role("button", name="Ask which would teach most").click()
    playwright.expect(note).to_contain_text("3 to go. It would teach most; it is answered")
    page.get_by_role("button", name="Discard it").click()
    page.locator("#choices").get_by_role("button", name="disc").click()
    playwright.expect(note).to_contain_text("1 to go.")
    playwright.expect(page.locator("#said")).to_have_text("Learned 1 photo of “disc”.")
    assert page.failures == []


def tab_to(page, place) -> None:
    """Press the tabulator until something has the focus."""
    for _ in range(100):
        if place.evaluate("one => one === document.activeElement"):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"{place} cannot be reached")


def test_classes_are_changed_by_the_keyboard_alone(page, served, taught):
    page.goto(served())
    names = page.locator("#classes .name")
    dialog = page.get_by_role("dialog")

    def change(name, button):
        tab_to(page, page.get_by_role("button", name=f"Change “{name}”"))
        page.keyboard.press("Enter")
        tab_to(page, dialog.get_by_role("button", name=button))

    def undo(what):
        tab_to(page, page.get_by_role("button", name=f"Undo {what}"))
        page.keyboard.press("Enter")
        playwright.expect(names).to_have_text(list(KINDS))

    playwright.expect(names).to_have_text(list(KINDS))
    change("disc", "Rename")
    page.keyboard.press("Shift+Tab")
    page.keyboard.type("ring")
    page.keyboard.press("Enter")
    playwright.expect(names).to_have_text(["ring", "frame", "half"])
    undo("“disc” is now “ring”")
    change("half", "Merge")
    page.keyboard.press("Enter")
    playwright.expect(names).to_have_text(["disc", "frame"])
    undo("“half” is part of “disc”")
    change("frame", "Remove")
    page.keyboard.press("Enter")
    playwright.expect(names).to_have_text(["disc", "half"])
    undo("“frame” is removed")
    change("disc", "Rename")
    page.keyboard.press("Shift+Tab")
    page.keyboard.type("half")
    page.keyboard.press("Enter")
    alert = "There is a class 'half' already; to make one of both, merge them."
    playwright.expect(page.get_by_role("alert")).to_have_text(alert)
    assert page.failures[1:] == []  # but what the browser says of the refusal


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_in_the_way_of_anyone(page, served, taught, folder, tmp_path, scheme):
    page.emulate_media(color_scheme=scheme)
    Queue(folder).add(content(stripes(4)), label="frame")
    told = "it is right less often: 61% of its last 80 answers, and 94% of 120 before"
    trend = {"share": 0.5, "answers": 80, "before": None, "answers_before": 0}
    page.route(
        "**/api/metrics",
        lambda route: route.fulfill(
            json={"right": trend, "unknown": trend, "corrected": trend, "changes": [told]}
        ),
    )
    (tmp_path / "text.png").write_text("no photo")
    page.goto(served())
    assert axe.Axe().run(page).response["violations"] == []
    choose(page, *saved(tmp_path, unlike=stripes(8)), str(tmp_path / "text.png"))
    playwright.expect(page.locator("#changes")).to_have_text(f"I{told[1:]}.")
    playwright.expect(page.locator("#tiles li").first).to_have_text("unknown")
    playwright.expect(page.locator("#waiting-photo")).to_be_visible()
    assert page.locator("#tiles img").count() == 1  # what cannot be read has none
    assert axe.Axe().run(page).response["violations"] == []
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    page.get_by_role("button", name="Change “disc”").click()
    assert axe.Axe().run(page).response["violations"] == []


def content(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def test_photos_instead_of_a_camera(page, served, tmp_path, drawing):
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


def test_photos_that_are_left_out_are_named(page, served, tmp_path, drawing):
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


def test_names_are_shown_and_do_nothing(page, served, tmp_path, folder, drawing):
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
    playwright.expect(page.locator("#summary")).to_have_text("model knows nothing yet")
    page.evaluate("sessionStorage.clear()")
    page.goto("about:blank")
    page.goto(f"{url}/#token={TOKEN}".replace(" ", "%20"))
    playwright.expect(page.locator("#summary")).to_have_text("model knows nothing yet")
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
def test_behind_a_proxy_that_ends_tls_and_rewrites_the_host(page, run, folder, tmp_path, drawing):
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
        page.goto(f"https://127.0.0.1:{port}/#token={TOKEN}".replace(" ", "%20"))
        page.get_by_role("button", name="Photos").click()
        page.locator("#file-input").set_input_files(str(tmp_path / "a.png"))
        page.get_by_label("What is it?").fill("disc")
        page.get_by_role("button", name="Teach 1 photo").click()
        playwright.expect(page.locator("#said")).to_contain_text("Learned 1 photo of “disc”")
    finally:
        nginx.terminate()
        nginx.wait()


def test_a_service_that_is_gone(page, served):
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
