"""From a client's wish to an adapter in the store: labels read, fitted, its name claimed, written, audited."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from surco.adapters.blas_threads import single_threaded
from surco.adapters.evaluation import FOREST_FREE
from surco.api.fits.bodies import NewAdapter
from surco.api.fits.registry import claim, release, settle
from surco.api.fits.workshop import Workshop
from surco.api.fitting import Fit, FitWish, fit_labels
from surco.api.label_sets.reading import labels_of
from surco.api.label_sets.sets import find_set
from surco.api.refusals import InvalidError, TooLargeError
from surco.api.state.audit import record
from surco.api.web.callers import Caller
from surco.api.yield_fitting import YieldFit, YieldWish, fit_values
from surco.embedstore import Labels, Sentence, Store, parse_labels
from surco.embedstore.names import check_name

__all__ = ["Made", "make_adapter"]

_VALUE = "value"
_RESERVED = ("compare",)
_QUICK = tuple(name for name in FOREST_FREE if name != "linear discriminant")
_QUICK_VALUES = ("ridge", "k-nearest neighbours")


@dataclass(frozen=True, slots=True)
class Made:
    """A fit, and the store at the version that has it."""

    fit: Fit | YieldFit
    store: Store


def make_adapter(shop: Workshop, caller: Caller, wish: NewAdapter, *, full: bool) -> Made:
    """Fit an adapter and put it into the store.

    Args:
        shop: of the application.
        caller: who asks, whose it will be.
        wish: what is asked for.
        full: score every baseline, forests too, which take seconds.

    Raises:
        UnknownError: no such label set, or one that the caller may not see.
        ConflictError: the name is somebody else's.
        BusyError: too many fits at once.
        EmbedstoreError, AdapterError: labels that nothing can be learned from, a season or model that is not there.
    """
    _check(wish)
    labels = _labels(shop, caller, wish)
    # A fit's matrices are small: shared among BLAS's threads they take ten times as long on busy cores.
    with shop.fits.inside(), single_threaded():
        fit = _fitted(shop, labels, wish, full)
    label_set = wish.labels if isinstance(wish.labels, str) else None
    return Made(fit, publish(shop, caller, wish.name, fit.files, label_set=label_set))


def publish(
    shop: Workshop,
    caller: Caller,
    name: str,
    files: dict[str, bytes],
    *,
    label_set: str | None = None,
    action: str = "adapter.fit",
) -> Store:
    """Claim a name, write an adapter under it, and note whose it is; gives the store at the version that has it.

    Raises:
        ConflictError: the name is somebody else's.
        QuotaError: the caller has as many adapters as it may.
        StoreConflictError: others wrote the store all the time.
    """
    database = shop.server.database
    with database.writing() as connection:
        fresh = claim(connection, caller, name, shop.server.settings.adapters_per_key)
    try:
        store = shop.publisher.put(name, files)
    except BaseException:
        if fresh:
            with database.writing() as connection:
                release(connection, name, unwritten=True)
        raise
    with database.writing() as connection:
        settle(connection, caller, name, store.version, label_set)
        record(connection, caller, action, name, {"store_version": store.version, "labels": label_set})
    return store


def _check(wish: NewAdapter) -> None:
    """Refuse names that cannot be, and what a task has no use for."""
    check_name(wish.name, "adapter name")
    if wish.name in _RESERVED:
        raise InvalidError(
            Sentence(
                f"Expected another name than {wish.name!r}, an address here. Choose another one.",
                "name-taken-by-address",
                name=wish.name,
            )
        )
    if wish.task == "yield" and wish.legend is not None:
        raise InvalidError(
            "Expected no legend for task 'yield', got one. Leave it out: values have no classes."
        )
    if wish.task != "yield" and (wish.target is not None or wish.target_unit is not None):
        raise InvalidError(
            "Expected target and target_unit for task 'yield' only. Leave them out, or name the task."
        )


def _labels(shop: Workshop, caller: Caller, wish: NewAdapter) -> Labels:
    most = shop.server.settings.max_fit_labels
    if isinstance(wish.labels, str):
        labels = _of_set(shop, caller, wish, wish.labels, most)
    else:
        features = wish.labels.get("features")
        _check_count(len(features) if isinstance(features, list) else 0, most)
        column = wish.column or (_VALUE if wish.task == "yield" else None)
        labels = parse_labels(wish.labels, Path("labels of the request"), column)
    return labels


def _of_set(shop: Workshop, caller: Caller, wish: NewAdapter, set_id: str, most: int) -> Labels:
    kind = "value" if wish.task == "yield" else "class"
    with shop.server.database.reading() as connection:
        found = find_set(connection, set_id, caller)
        if wish.column is not None:
            raise InvalidError(
                f"Expected column beside a FeatureCollection, got {wish.column!r} beside a label set. Leave it out: "
                "a set knows its own."
            )
        if found.kind != kind:
            raise InvalidError(
                f"Expected a label set of kind {kind!r} for task {wish.task!r}, got {found.name!r} of kind "
                f"{found.kind!r}. Name another set, or the other task."
            )
        _check_count(found.labels, most)
        return labels_of(connection, set_id, caller, consensus=wish.consensus, season=wish.season)


def _check_count(count: int, most: int) -> None:
    if count > most:
        raise TooLargeError(
            Sentence(
                f"Expected at most {most:,} labels for a fit, got {count:,}. Take a sample of them: a few "
                "hundred teach a "
                "map, and `surco adapters fit` takes any number.",
                "fit-many-labels",
                most=most,
                count=count,
            )
        )


def _fitted(shop: Workshop, labels: Labels, wish: NewAdapter, full: bool) -> Fit | YieldFit:
    store, most = shop.server.store(), shop.server.settings.max_fit_places
    if wish.task == "yield":
        asked = YieldWish(
            wish.name,
            wish.target or wish.column or _VALUE,
            wish.target_unit or "t/ha",
            wish.season,
            wish.unit,
            wish.model,
            True if full else _QUICK_VALUES,
            most,
        )
        return fit_values(store, labels, asked)
    plain = True if full else _QUICK
    return fit_labels(
        store,
        labels,
        FitWish(wish.name, wish.season, wish.unit, wish.model, wish.legend, plain, most),
        shop.grounds,
    )
