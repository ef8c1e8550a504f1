"""Fit the small network that stands for PROSAIL in the synthetic country, and write it with its card.

`prosail` states no licence, so it is a tool for making and never a dependency: this script runs it once, in an
environment of its own (`pip install prosail torch safetensors`), and what is shipped is the fitted weights.

The network does not see the soil. 4SAIL (Verhoef et al. 2007, doi:10.1109/TGRS.2007.895844, eq. 31) gives the
reflectance over a soil of reflectance s exactly as

    R(s) = c + h s + t s / (1 - b s)      c = rso, h = tsstoo - tss too, t = (tss + tsd) (tdo + too), b = rdd

so the network gives c, t, b for each band and h once, and any background spectrum can be put underneath at run time:
soil of any colour and wetness, straw, grass, water.

    python scripts/fit_prosail_emulator.py --out encoder/surco/encoder/simulate [--runs 24000] [--epochs 260]
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch
from prosail import run_prosail
from safetensors.numpy import save
from torch import Tensor, nn

BANDS = ("blue", "green", "red", "nir", "rededge1", "rededge2", "rededge3", "nir08", "swir16", "swir22")
# Sentinel-2A centre and width in nm, from ESA's spectral response document (COPE-GSEG-EOPG-TN-15-0007).
CENTRES = np.array([492.4, 559.8, 664.6, 832.8, 704.1, 740.5, 782.8, 864.7, 1613.7, 2202.4])
WIDTHS = np.array([66.0, 36.0, 31.0, 106.0, 15.0, 15.0, 20.0, 21.0, 91.0, 175.0])
RANGES: dict[str, tuple[float, float]] = {
    "N": (1.0, 2.6),
    "Cab": (0.0, 85.0),
    "Car": (0.0, 20.0),
    "Cbrown": (0.0, 2.0),
    "Cw": (0.001, 0.05),
    "Cm": (0.001, 0.03),
    "LAI": (0.0, 9.0),
    "ALA": (20.0, 80.0),
    "hotspot": (0.005, 0.6),
    "sun_zenith": (12.0, 76.0),
    "view": (-12.0, 12.0),  # degrees; positive towards the sun
}
LOGARITHMIC = ("Cw", "Cm", "hotspot")


def draw_inputs(n: int, rng: np.random.Generator) -> np.ndarray:
    """(n, 11) inputs: uniform, or log-uniform, with many thin canopies and few brown leaves."""
    u = rng.random((n, len(RANGES)))
    out = np.empty_like(u)
    for i, (name, (low, high)) in enumerate(RANGES.items()):
        if name in LOGARITHMIC:
            out[:, i] = np.exp(np.log(low) + u[:, i] * np.log(high / low))
        else:
            power = {"LAI": 2.0, "Cbrown": 2.0}.get(name, 1.0)
            out[:, i] = low + u[:, i] ** power * (high - low)
    return out


def run_terms(row: np.ndarray, response: np.ndarray) -> np.ndarray:
    """The 31 terms c (10), t (10), b (10), h of one canopy; bands averaged by the spectral response."""
    n, cab, car, brown, cw, cm, lai, ala, hotspot, sun, view = row
    terms = run_prosail(
        n, cab, car, brown, cw, cm, lai, ala, hotspot, sun, abs(view), 0.0 if view > 0 else 180.0,
        prospect_version="D", rsoil0=np.zeros(2101), factor="ALLALL",
    )  # fmt: skip
    tss, too, tsstoo, rdd, _, _, tsd, _, tdo, rso = (np.broadcast_to(x, 2101) for x in terms[:10])
    through = (tss + tsd) * (tdo + too)
    return np.concatenate([response @ rso, response @ through, response @ rdd, [np.mean(tsstoo - tss * too)]])


def make_table(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """(n, 11) inputs and (n, 31) terms."""
    wavelength = np.arange(400, 2501)
    response = np.exp(-4 * np.log(2) * ((wavelength - CENTRES[:, None]) / WIDTHS[:, None]) ** 2)
    response /= response.sum(axis=1, keepdims=True)
    inputs = draw_inputs(n, np.random.default_rng(seed))
    return inputs, np.stack([run_terms(row, response) for row in inputs])


def features(inputs: np.ndarray) -> np.ndarray:
    """(n, 13) network inputs in -1..1: logarithms where the range is wide, three views of LAI.

    `surco.encoder.simulate.emulator` computes the same; rows of PROSAIL in the card hold the two together.
    """
    columns = []
    for i, (name, (low, high)) in enumerate(RANGES.items()):
        x = inputs[:, i]
        if name in LOGARITHMIC:
            x, low, high = np.log(x), np.log(low), np.log(high)
        if name == "LAI":
            x, low, high = np.sqrt(x), 0.0, np.sqrt(high)
        columns.append(2 * (x - low) / (high - low) - 1)
    lai = inputs[:, list(RANGES).index("LAI")]
    columns += [2 * np.exp(-0.5 * lai) - 1, 2 * np.exp(-1.5 * lai) - 1]
    return np.stack(columns, axis=1).astype(np.float32)


class Network(nn.Module):
    """13 -> width -> width -> 31 with softsign; the limits at LAI 0 hold by construction."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(13, width), nn.Linear(width, width), nn.Linear(width, 31)])

    def forward(self, x: Tensor, lai: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """c, t, b of shape (n, 10) and h of shape (n, 1)."""
        x = nn.functional.softsign(self.layers[0](x))
        x = nn.functional.softsign(self.layers[1](x))
        z = self.layers[2](x)
        cover = 1 - torch.exp(-lai)
        c = cover * torch.sigmoid(z[:, :10])
        t = torch.exp(-lai * nn.functional.softplus(z[:, 10:20]))
        b = cover * torch.sigmoid(z[:, 20:30])
        return c, t, b, 0.25 * cover * torch.sigmoid(z[:, 30:])


def reflectance(c: Tensor, t: Tensor, b: Tensor, h: Tensor, soil: Tensor) -> Tensor:
    """R(s) of the module docstring."""
    return c + h * soil + t * soil / (1 - b * soil)


def draw_soils(n: int, generator: torch.Generator) -> Tensor:
    """(n, 10) backgrounds from black to bright straw: random brightness and slope, ordered as BANDS."""
    wavelength = torch.tensor((CENTRES - 400) / 1800, dtype=torch.float32)
    brightness = 0.5 * torch.rand((n, 1), generator=generator) ** 1.5
    slope = 3.0 * torch.rand((n, 1), generator=generator) - 0.5
    return (brightness * (0.4 + slope * wavelength)).clamp(0.0, 0.7)


def fit(inputs: np.ndarray, terms: np.ndarray, width: int, epochs: int, seed: int) -> Network:
    """Adam with a cosine schedule on the error of the square root of reflectance."""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    x, y = torch.from_numpy(features(inputs)), torch.from_numpy(terms.astype(np.float32))
    lai = torch.from_numpy(inputs[:, 6:7].astype(np.float32))
    net, batch = Network(width), 512
    optimiser = torch.optim.Adam(net.parameters(), lr=4e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, epochs)
    for epoch in range(epochs):
        for rows in torch.randperm(len(x), generator=generator).split(batch):
            soil = draw_soils(len(rows), generator)
            truth = reflectance(*y[rows].split([10, 10, 10, 1], dim=1), soil)
            guess = net(x[rows], lai[rows])
            error = (reflectance(*guess, soil) + 1e-4).sqrt() - (truth + 1e-4).sqrt()
            parts = torch.cat(guess, dim=1) - y[rows]
            loss = (error**2).mean() + 0.1 * (parts**2).mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        schedule.step()
        if epoch % 20 == 19:
            print(f"epoch {epoch + 1}: loss {loss.item():.2e}", flush=True)
    return net


def measure(net: Network, inputs: np.ndarray, terms: np.ndarray, seed: int) -> dict[str, object]:
    """Absolute errors of reflectance over random backgrounds, on rows that were not fitted."""
    generator = torch.Generator().manual_seed(seed)
    soil = draw_soils(len(inputs), generator)
    y = torch.from_numpy(terms.astype(np.float32))
    with torch.no_grad():
        lai = torch.from_numpy(inputs[:, 6:7].astype(np.float32))
        guess = reflectance(*net(torch.from_numpy(features(inputs)), lai), soil)
        error = (guess - reflectance(*y.split([10, 10, 10, 1], dim=1), soil)).abs().numpy()
    return {
        "rows": len(inputs),
        "mean_absolute_error": round(float(error.mean()), 5),
        "p95": round(float(np.quantile(error, 0.95)), 5),
        "by_band": {band: round(float(e), 5) for band, e in zip(BANDS, error.mean(axis=0), strict=True)},
    }


def reference(inputs: np.ndarray, terms: np.ndarray, seed: int) -> list[dict[str, list[float]]]:
    """Rows of PROSAIL itself over random backgrounds, for the test of whoever evaluates the weights without it."""
    soil = draw_soils(len(inputs), torch.Generator().manual_seed(seed + 1))
    truth = reflectance(*torch.from_numpy(terms.astype(np.float32)).split([10, 10, 10, 1], dim=1), soil)
    columns = {"inputs": inputs, "background": soil.numpy(), "reflectance": truth.numpy()}
    rows = ({k: [round(float(x), 6) for x in v[i]] for k, v in columns.items()} for i in range(len(inputs)))
    return list(rows)


def main() -> None:
    """Make the table, fit, measure on held-out rows and write weights and card."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder that gets the two files")
    parser.add_argument("--runs", type=int, default=24_000)
    parser.add_argument("--epochs", type=int, default=260)
    parser.add_argument("--width", type=int, default=112)
    parser.add_argument("--seed", type=int, default=20)
    args = parser.parse_args()
    torch.set_num_threads(1)
    started = time.monotonic()
    inputs, terms = make_table(args.runs, args.seed)
    print(f"{args.runs} PROSAIL runs in {time.monotonic() - started:.0f} s", flush=True)
    held_out = args.runs // 10
    net = fit(inputs[held_out:], terms[held_out:], args.width, args.epochs, args.seed)
    error = measure(net, inputs[:held_out], terms[:held_out], args.seed)
    state = {name: np.ascontiguousarray(w.numpy()) for name, w in net.state_dict().items()}
    (args.out / "prosail_emulator.safetensors").write_bytes(save(state))
    card = {
        "made_by": "scripts/fit_prosail_emulator.py with prosail 2.0.5 (PROSPECT-D, 4SAIL, Campbell leaf angles)",
        "runs": args.runs, "epochs": args.epochs, "width": args.width, "seed": args.seed,
        "bands": BANDS, "ranges": RANGES, "logarithmic": LOGARITHMIC, "held_out": error,
        "prosail": reference(inputs[:40], terms[:40], args.seed),
    }  # fmt: skip
    (args.out / "prosail_emulator.json").write_text(json.dumps(card) + "\n", encoding="utf-8")
    print(json.dumps(error, indent=2))


if __name__ == "__main__":
    main()
