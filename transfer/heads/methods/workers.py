"""Folds fitted side by side."""

from concurrent.futures import ThreadPoolExecutor

WORKERS = 2  # folds that are fitted at once: each by one BLAS thread, so this decides no byte


def each(number, fit):
    """[fit(0), ..., fit(number - 1)], some of them at once."""
    with ThreadPoolExecutor(WORKERS) as pool:
        return list(pool.map(fit, range(number)))
