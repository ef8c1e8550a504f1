"""Models through rslearn: a clear word where it is not installed; where it is, our protocol on random weights."""

from __future__ import annotations

import importlib.util
import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from test_published import series

from surco.encoder import Encoder, load_encoder
from surco.encoder.channels import INDEX
from surco.encoder.errors import ModelError

HERE = importlib.util.find_spec("rslearn") is not None
needs_rslearn = pytest.mark.skipif(not HERE, reason="rslearn is an extra and not installed")


@pytest.mark.skipif(HERE, reason="rslearn is installed")
def test_says_what_to_install() -> None:
    """Without rslearn the message names the extra."""
    with pytest.raises(ModelError, match=r"got no module 'rslearn'.*Install surco\[rslearn\]"):
        load_encoder("rslearn:OlmoEarth-v1-Nano")


def write_model(folder: Path, version: str) -> Path:
    """A small OlmoEarth of one version with random weights, laid out as published."""
    warnings.simplefilter("ignore")
    import olmoearth_pretrain_minimal.olmoearth_pretrain_v1.nn.latent_mim as latent_mim
    from olmoearth_pretrain_minimal import OlmoEarthPretrain_v1

    configs: list[Any] = []
    build = latent_mim.LatentMIMConfig.build

    class Kept(latent_mim.LatentMIMConfig):
        def build(self) -> Any:
            configs.append(self)
            return build(self)

    torch.manual_seed(0)
    module = __import__(OlmoEarthPretrain_v1.__module__, fromlist=["LatentMIMConfig"])
    module.LatentMIMConfig = Kept
    model = OlmoEarthPretrain_v1("nano", version).model
    module.LatentMIMConfig = latent_mim.LatentMIMConfig
    folder.mkdir()
    config = configs[0].as_config_dict()
    config["_CLASS_"] = f"{latent_mim.__name__}.LatentMIMConfig"
    strategy = {"masking_config": {"strategy_config": {"only_decode_modalities": ["worldcover", "srtm"]}}}
    (folder / "config.json").write_text(json.dumps({"model": config, "train_module": strategy}))
    torch.save(model.state_dict(), folder / "weights.pth")
    return folder


@needs_rslearn
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("version", ["v1", "v1.1", "v1.2"])
def test_keeps_the_protocol(version: str, tmp_path: Path) -> None:
    """Unit vectors, the same each time, rows independent, gaps unseen, NaN where nothing was."""
    encoder = load_encoder(f"rslearn:{write_model(tmp_path / version, version)}")
    assert isinstance(encoder, Encoder)
    values, valid, dates, lonlat, static = series(6)
    valid[1, 3:5, :10] = False
    valid[2, :, :10] = False
    valid[3] = False
    valid[4, :, 10:12] = False
    valid[5, :, INDEX["nir08"]] = False
    vectors = encoder.encode(values, valid, dates, lonlat, static)
    assert vectors.shape == (6, 128) == (6, encoder.dimension)
    assert np.isnan(vectors[3]).all()
    rest = [0, 1, 2, 4, 5]
    np.testing.assert_allclose(np.linalg.norm(vectors[rest], axis=1), 1, atol=1e-5)
    alone = [
        encoder.encode(*(x[i : i + 1] for x in (values, valid)), dates, lonlat[i : i + 1], static[i : i + 1])
        for i in rest
    ]
    np.testing.assert_allclose(np.concatenate(alone), vectors[rest], atol=2e-5)
    other = np.where(valid, values, np.float32(np.nan))
    np.testing.assert_array_equal(encoder.encode(other, valid, dates, lonlat, static), vectors)
    assert len(np.unique(vectors[rest, 0])) == 5
    with pytest.raises(ModelError, match="at most 12 months"):
        encoder.encode(*series(2, 13))


@needs_rslearn
@pytest.mark.filterwarnings("ignore")
def test_gives_what_rslearn_gives(tmp_path: Path) -> None:
    """A complete series, with the two missing bands as rslearn's own forward pass would be given them."""
    from datetime import UTC, datetime

    from rslearn.models.olmoearth_pretrain.model import OlmoEarth
    from rslearn.train.model_context import ModelContext, RasterImage

    folder = write_model(tmp_path / "model", "v1.2")
    values, valid, dates, lonlat, static = series(2)
    vectors = load_encoder(f"rslearn:{folder}").encode(values, valid, dates, lonlat, static)
    names = ("blue", "green", "red", "nir", "rededge1", "rededge2", "rededge3", "nir08", "swir16", "swir22")
    middle = [
        datetime.combine(d.astype("datetime64[D]").astype(object), datetime.min.time(), UTC) for d in dates
    ]
    times = [(m, m) for m in middle]
    model = OlmoEarth(
        patch_size=1, model_path=str(folder), autocast_dtype=None, use_legacy_timestamps=False, normalize=True
    ).eval()
    for row in range(2):
        optical = values[row][:, [INDEX[n] for n in names]].T * 1e4
        # what becomes 0 after normalisation: the lower end of B01 and B09
        ends = [1115.8494388252218 - 2 * 1955.6991794280914, 3269.812554170875 - 2 * 2651.088425085525]
        image = np.concatenate([optical, np.repeat(np.array(ends)[:, None], 12, axis=1)]).astype(np.float32)
        radar = values[row][:, [INDEX["vv"], INDEX["vh"]]].T.astype(np.float32)
        inputs = {
            "sentinel2_l2a": RasterImage(torch.from_numpy(image.copy())[:, :, None, None], times),
            "sentinel1": RasterImage(torch.from_numpy(radar.copy())[:, :, None, None], times),
        }
        with torch.inference_mode():
            features = model(ModelContext(inputs=[inputs], metadatas=[])).feature_maps[0][0, :, 0, 0].numpy()
        np.testing.assert_allclose(vectors[row], features / np.linalg.norm(features), atol=2e-5)


@needs_rslearn
@pytest.mark.filterwarnings("ignore")
def test_refuses_names_and_folders_that_are_none(tmp_path: Path) -> None:
    """An unknown name lists the known ones; an empty folder says what is missing."""
    with pytest.raises(ModelError, match=r"OlmoEarth-v1-Nano.*got 'nope'"):
        load_encoder("rslearn:nope")
    with pytest.raises(ModelError, match="Expected rslearn to load"):
        load_encoder(f"rslearn:{tmp_path}")
