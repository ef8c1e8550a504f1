"""Take the pictures of the viewer for the docs, from a store that is being served.

surco serve demo/store --area "Synthetic valley" &
python scripts/screenshot.py http://127.0.0.1:8765/ docs/viewer.png [--click 620,420] [--dark]
"""

from __future__ import annotations

import argparse
from pathlib import Path

from playwright.sync_api import sync_playwright

FLAGS = (
    *(
        "--headless",
        "--no-sandbox",
        "--use-gl=angle",
        "--use-angle=swiftshader",
        "--enable-unsafe-swiftshader",
    ),
    *("--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update"),
)


def main() -> None:
    """Open, wait until the map is drawn, perhaps click, and save."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("address")
    parser.add_argument("out", type=Path)
    parser.add_argument("--click", help="x,y in pixels")
    parser.add_argument("--size", default="1440x900")
    parser.add_argument("--dark", action="store_true")
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    args = parser.parse_args()
    width, height = map(int, args.size.split("x"))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=args.chromium, args=list(FLAGS))
        page = browser.new_page(
            viewport={"width": width, "height": height},
            color_scheme="dark" if args.dark else "light",
            locale="en-GB",
        )
        page.goto(args.address)
        page.wait_for_selector("#map[data-drawn=parcels], #map[data-drawn=cells]", timeout=60_000)
        page.wait_for_timeout(1500)
        if args.click:
            page.mouse.click(*map(int, args.click.split(",")))
            page.wait_for_selector("#place", timeout=20_000)
            page.wait_for_timeout(2500)
            page.mouse.move(5, height - 5)
            page.wait_for_timeout(500)
        page.screenshot(path=args.out)
        browser.close()


if __name__ == "__main__":
    main()
