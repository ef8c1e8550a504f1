"""The encoder room's one error base."""


class EncoderError(ValueError):
    """Something a user can cause: the message says what was expected, what came and what to do."""


class CatalogError(EncoderError):
    """A STAC catalogue that cannot be reached, is empty, or lacks what the season needs."""


class NoScenesError(CatalogError):
    """A STAC catalogue that can be read and has no scene of the season and area."""


class SceneError(EncoderError):
    """A scene that cannot be used: a missing band, no CRS, a broken raster."""


class SamplesError(EncoderError):
    """A sample table whose columns, dates or values cannot be embedded."""


class ModelError(EncoderError):
    """A model that is not known, or weights that do not fit their card."""


class SimulationError(EncoderError):
    """A synthetic country that was asked for something it cannot draw."""
