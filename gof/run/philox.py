"""Normal draws as torch makes them on a GPU, on any machine: Philox4x32-10 (Salmon et al.,
"Parallel random numbers: as easy as 1, 2, 3", 2011), one counter an entry, then Box and Muller."""

from __future__ import annotations

import numpy as np

MOST = 2**15  # entries that a GPU surely draws one a thread, so that each is its thread's first
ROUNDS = 10
MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
WEYL = (0x9E3779B9, 0xBB67AE85)
WORD = 0xFFFFFFFF


def normal(seed: int, size: int) -> np.ndarray:
    """What `torch.manual_seed(seed); torch.randn(size, device="cuda")` gives, float32 [size], for
    sizes up to MOST."""
    if size > MOST:
        raise ValueError(f"at most {MOST:,} draws, got {size:,}")
    counter = np.zeros((4, size), np.uint64)
    counter[2] = np.arange(size)  # the thread; the words before count its own draws
    a, b = _philox(counter, (seed & WORD, seed >> 32 & WORD))[:2].astype(np.float64)
    radius = np.sqrt(-2 * np.log((a + 0.5) / 2**32))
    return (radius * np.sin(2 * np.pi * (b + 0.5) / 2**32)).astype(np.float32)


def _philox(counter: np.ndarray, key: tuple[int, int]) -> np.ndarray:
    """Four random words [4, n] of counters [4, n], all uint64 below 2^32."""
    low, high = key
    for _ in range(ROUNDS):
        first, second = counter[0] * MULTIPLIERS[0], counter[2] * MULTIPLIERS[1]
        counter = np.stack(
            [
                second >> 32 ^ counter[1] ^ np.uint64(low),
                second & WORD,
                first >> 32 ^ counter[3] ^ np.uint64(high),
                first & WORD,
            ]
        )
        low, high = low + WEYL[0] & WORD, high + WEYL[1] & WORD
    return counter
