"""How soon the page's answer follows what its camera begins to see.

A browser shows the page a film in place of a camera: two colours in turn, which the model has been
taught. The page itself notes when the first frame of a colour is there and when its answer changes.
It needs Chromium, and `pip install playwright`.

    python benchmarks/live_camera.py
"""

from __future__ import annotations

import argparse
import io
import shutil
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image
from playwright.sync_api import Browser, sync_playwright
from service import Service
from tables import show

KINDS = {"red": (200, 40, 40), "blue": (40, 40, 200)}
SIDE, FRAMES, SECONDS = 320, 30, 2  # of the film, a second, and of each colour

MEASURED = """async () => {
    const video = document.getElementById("video"), name = document.getElementById("answer-name");
    const context = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
    const delays = [];
    let seen = "", since = 0;
    const look = () => {
        context.drawImage(video, 0, 0, 1, 1);
        const [red, , blue] = context.getImageData(0, 0, 1, 1).data;
        const now = red > blue ? "red" : "blue";
        if (now !== seen) [seen, since] = [now, performance.now()];
        video.requestVideoFrameCallback(look);
    };
    look();
    new MutationObserver(() => {
        if (name.textContent === seen && since) delays.push(performance.now() - since);
        if (name.textContent === seen) since = 0;
    }).observe(name, { childList: true, characterData: true, subtree: true });
    await new Promise((over) => setTimeout(over, SECONDS * 1000));
    return delays;
}"""


def main() -> None:
    """Teach two colours, let the page see them in turn, and print the delays of its answers."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--encoders", nargs="+", default=["bundled", "efficientnet_lite0"])
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as play:
        film = Path(folder, "film.y4m")
        write_film(film)
        browser = play.chromium.launch(
            executable_path=shutil.which("chromium") or shutil.which("google-chrome"),
            args=[
                "--no-sandbox",
                "--use-fake-device-for-media-stream",
                "--use-fake-ui-for-media-stream",
                f"--use-file-for-fake-video-capture={film}",
            ],
        )
        for encoder in options.encoders:
            delays = np.array(measure(browser, encoder, options.seconds))
            rows.append(
                {
                    "encoder": encoder,
                    "changes": len(delays),
                    "median, ms": round(float(np.median(delays))),
                    "95th percentile, ms": round(float(np.percentile(delays, 95))),
                    "slowest, ms": round(float(delays.max())),
                }
            )
        browser.close()
    show("From the first frame to the answer on the page", rows, options.json)


def write_film(path: Path) -> None:
    """Write what the camera sees."""
    with path.open("wb") as file:
        file.write(f"YUV4MPEG2 W{SIDE} H{SIDE} F{FRAMES}:1 Ip A1:1 C420jpeg\n".encode())
        for colour in KINDS.values():
            planes = Image.new("YCbCr", (SIDE, SIDE), colour_of(colour)).split()
            sizes = (SIDE, SIDE), (SIDE // 2, SIDE // 2), (SIDE // 2, SIDE // 2)
            frame = b"".join(p.resize(s).tobytes() for p, s in zip(planes, sizes, strict=True))
            file.write((b"FRAME\n" + frame) * FRAMES * SECONDS)


def colour_of(colour: tuple[int, int, int]) -> tuple[int, int, int]:
    """Return a colour as luma and chroma."""
    return Image.new("RGB", (1, 1), colour).convert("YCbCr").getpixel((0, 0))


def measure(browser: Browser, encoder: str, seconds: int) -> list[float]:
    """Return how long each change took, in milliseconds."""
    with Service("--encoder", encoder) as service:
        for kind, colour in KINDS.items():
            shades = [tuple(value + shade for value in colour) for shade in range(-10, 10, 4)]
            assert service.teach(kind, *map(photo_of, shades)).status == 200
        page = browser.new_page()
        page.goto(f"http://127.0.0.1:{service.port}/")
        page.get_by_role("button", name="Start the camera").click()
        page.wait_for_timeout(3000)
        delays = page.evaluate(MEASURED.replace("SECONDS", str(seconds)))
        page.close()
        return delays


def photo_of(colour: tuple[int, ...]) -> bytes:
    """Return a photo of one colour."""
    file = io.BytesIO()
    Image.new("RGB", (SIDE, SIDE), colour).save(file, "PNG")
    return file.getvalue()


if __name__ == "__main__":
    main()
