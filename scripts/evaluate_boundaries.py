"""Fields as objects, by the network and by what it has to beat, on valleys and a real patch that taught nothing.

    python scripts/boundary_valleys.py --out scratch/valleys
    python scripts/evaluate_boundaries.py --valleys scratch/valleys [--choose] [--plot boundaries.png]

Every method gets the same vectors. What a method has to choose is chosen on the two valleys for choosing (`--choose`
prints what was compared); the network is taken as it is shipped. None is set by what it is scored on, and the Flanders
patch chooses nothing. Fields below ten pixels (1,000 m²) are left out for all.

- Canny: edges of the first components by Canny's detector, then the watershed of the distance to them, as Watkins & van
  Niekerk 2019 (Computers and Electronics in Agriculture 158, 294-302) do it on bands. Needs scikit-image.
- gradient: `gradient_objects`, no training.
- "in crops": the same within the pixels whose vector alone says field (the network's own logistic regression).
- network, without cropness: as it is for the vectors of another encoder.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from boundary_valleys import FLANDERS, load_valley, valleys_of
from scipy import ndimage

from surco.adapters.boundaries import (
    BoundaryAdapter,
    ObjectScores,
    PixelVectors,
    gradient_objects,
    score_objects,
)
from surco.adapters.boundaries.network_input import Cropness, principal_components
from surco.adapters.boundaries.prior import load_prior

Labels = npt.NDArray[np.int32]
Method = Callable[[PixelVectors], Labels]


@dataclass(frozen=True, slots=True)
class Canny:
    """Edges of the first `components`, `sigma` pixels smooth; basins shallower than `depth` pixels are joined."""

    sigma: float = 1.0
    depth: float = 1.0
    components: int = 4
    within: Cropness | None = None

    def __call__(self, area: PixelVectors) -> Labels:
        """Labels (H, W)."""
        from skimage.feature import canny
        from skimage.measure import label
        from skimage.morphology import h_maxima
        from skimage.segmentation import watershed

        edges = np.zeros(area.shape, bool)
        for band in principal_components(area, self.components).transpose(2, 0, 1):
            low, high = np.percentile(band[area.valid], (2, 98))
            edges |= canny(np.clip((band - low) / (high - low), 0, 1), sigma=self.sigma)
        away = ndimage.distance_transform_edt(~edges)
        inside = area.valid & in_crops(area, self.within)
        markers = label(h_maxima(away, self.depth))
        return np.asarray(watershed(-away, markers, mask=inside), np.int32)


@dataclass(frozen=True, slots=True)
class Gradient:
    """`gradient_objects` with a contrast and sigma."""

    contrast: float = 0.45
    sigma: float = 0.5
    within: Cropness | None = None

    def __call__(self, area: PixelVectors) -> Labels:
        """Labels (H, W)."""
        seen = replace(area, valid=area.valid & in_crops(area, self.within))
        return gradient_objects(seen, contrast=self.contrast, sigma=self.sigma).labels


@dataclass(frozen=True, slots=True)
class Network:
    """The shipped adapter, at a height, with cropness or without."""

    height: float | None = None
    extent: float = 0.5
    cropness: bool = True

    def __call__(self, area: PixelVectors) -> Labels:
        """Labels (H, W)."""
        adapter = BoundaryAdapter(height=self.height, extent=self.extent).fit()
        return adapter.predict(area if self.cropness else replace(area, model_id="another")).labels


def in_crops(area: PixelVectors, cropness: Cropness | None) -> npt.NDArray[np.bool_]:
    """Pixels (H, W) whose vector says field; all where nobody is asked."""
    if cropness is None:
        return np.ones(area.shape, bool)
    return ndimage.median_filter((cropness.logit(area) > 0).astype(np.uint8), 3) > 0


def candidates() -> dict[str, list[Method]]:
    """What is compared, and the settings each method may choose from."""
    crops = load_prior().cropness
    canny = [(s, d) for s in (0.5, 1.0, 1.5, 2.0) for d in (0.5, 1.0, 2.0, 3.0)]
    gradient = [(c, s) for c in (0.3, 0.35, 0.4, 0.45, 0.5, 0.6) for s in (0.4, 0.6, 0.8)]
    return {
        "Canny + watershed": [Canny(s, d) for s, d in canny],
        "Canny + watershed, in crops": [Canny(s, d, within=crops) for s, d in canny],
        "gradient": [Gradient(c, s) for c, s in gradient],
        "gradient, in crops": [Gradient(c, s, crops) for c, s in gradient],
        "network, without cropness": [Network(cropness=False)],
        "network": [Network()],
    }


def scores_of(method: Method, folder: Path, names: Iterable[str]) -> dict[str, ObjectScores]:
    """Scores by valley."""
    out = {}
    for name in names:
        area, fields = load_valley(folder, name)
        out[name] = score_objects(method(area), fields)
    return out


def choose(settings: list[Method], folder: Path, told: bool) -> Method:
    """The setting with the best F1 over the valleys for choosing, all fields together."""
    f1 = {}
    for method in settings:
        f1[method] = ObjectScores.joined(list(scores_of(method, folder, valleys_of("choose")).values())).f1
        if told:
            print(f"{f1[method]:.3f} {method!r:.100}", flush=True)
    return max(f1, key=lambda method: f1[method])


def row(name: str, area: str, scores: ObjectScores) -> str:
    """A row of the table."""
    return (
        f"| {name} | {area} | {scores.true} | {scores.found} | {scores.precision:.2f} | {scores.recall:.2f} | "
        f"**{scores.f1:.2f}** | {scores.mean_iou:.2f} | {scores.over_segmentation:.2f} | "
        f"{scores.under_segmentation:.2f} |"
    )


def plot(methods: dict[str, Method], folder: Path, names: list[str], path: Path) -> None:
    """Outlines found and true over the first three components."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(
        len(names), len(methods), figsize=(4 * len(methods), 4 * len(names)), squeeze=False
    )
    for i, name in enumerate(names):
        area, fields = load_valley(folder, name)
        scores = principal_components(area, 3)
        low, high = np.percentile(scores, (2, 98), axis=(0, 1))
        ground = np.clip((scores - low) / (high - low), 0, 1)
        for axis, (title, method) in zip(axes[i], methods.items(), strict=True):
            found = method(area)
            edge = ndimage.maximum_filter(found, 3) != ndimage.minimum_filter(found, 3)
            axis.imshow(np.where(edge[..., None], 1.0, ground * 0.8))
            axis.set_title(f"{name}: {title}, F1 {score_objects(found, fields).f1:.2f}", fontsize=8)
            axis.axis("off")
    figure.tight_layout()
    figure.savefig(path, dpi=80)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--valleys", type=Path, default=Path("scratch/valleys"))
    parser.add_argument("--choose", action="store_true", help="print what settings were compared")
    parser.add_argument("--plot", type=Path)
    arguments = parser.parse_args()
    folder = arguments.valleys
    if arguments.choose:
        choose(
            [Network(h, e) for h in (0.4, 0.5, 0.6, 0.65, 0.7, 0.8, 0.9) for e in (0.4, 0.5, 0.6)],
            folder,
            True,
        )
    chosen = {name: choose(settings, folder, arguments.choose) for name, settings in candidates().items()}
    tests = [*valleys_of("test"), *([FLANDERS] if (folder / f"{FLANDERS}.npz").exists() else [])]
    print("| method | area | fields | found | precision | recall | F1 | mean IoU | over | under |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for name, method in chosen.items():
        scores = scores_of(method, folder, tests)
        for area, of in scores.items():
            print(row(name, area, of))
        print(row(name, "four valleys", ObjectScores.joined([scores[v] for v in valleys_of("test")])))
    for name, method in chosen.items():
        print(f"{name}: {method!r:.90}")
    if arguments.plot:
        plot(chosen, folder, [tests[0], tests[-1]], arguments.plot)


if __name__ == "__main__":
    main()
