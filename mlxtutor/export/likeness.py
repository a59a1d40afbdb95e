"""How alike two models are: log-probabilities, KL, the likeliest token, greedy answers; and how alike they must be."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mlxtutor.export.engine import Engine
from mlxtutor.export.reference import Reference

POSITIONS = 6    # of a prompt and its answer, spread out, that probabilities are compared at
LIKELY = 1e-6    # tokens less probable than this say nothing: their logarithms are noise
SHALLOW = 4      # layers: errors of rounding add up with more
NEAR_TIE = 2e-2  # nats between the first and the second choice


@dataclass(frozen=True)
class Tolerance:
    """max_difference: of a log-probability of any token, nats, None for any; kl: mean, nats; answers: greedy ones must be the same."""

    max_difference: float | None
    kl: float
    answers: bool


@dataclass(frozen=True)
class Likeness:
    """Over the positions where both models' numbers are finite, NaN where there is none such; differences in nats.

    positions: all; source_broken, export_broken: those where a log-probability isn't finite.
    """

    positions: int
    mean_difference: float
    max_difference: float
    kl: float
    top1_agreement: float
    source_broken: int = 0
    export_broken: int = 0


@dataclass(frozen=True)
class Answers:
    """Greedy answers: the same, parting at a near tie of the source's two likeliest tokens, different."""

    same: int
    near_ties: int
    different: int


def tolerance(kind: str, source_dtype: str, layers: int, gelu_table: bool = False) -> Tolerance:
    """What rounding can explain. f32 and f16 are bounds of every log-probability, and grow with the layers; quantised files are held to
    a mean KL. gelu_table: the engine's own float16 table."""
    if gelu_table and kind == "f32":
        kind = "f16"
    deep = max(1.0, layers / SHALLOW)
    if source_dtype != "F32":  # the reference itself is rounded
        return Tolerance(None, .05 if kind in ("f32", "f16", "bf16", "q8_0") else .5, False)
    exact = {"f32": Tolerance(1e-4 * deep, 1e-6 * deep, True), "f16": Tolerance(2e-2 * deep, 1e-4 * deep, True)}
    return exact.get(kind, Tolerance(None, 5e-3 if kind in ("bf16", "q8_0") else .5, False))


def compare_probabilities(engine: Engine, reference: Reference, prompts: Sequence[list[int]], answers: Sequence[list[int]],
                          vocab_size: int) -> Likeness:
    """The whole vocabulary's log-probabilities at some positions of each prompt and of the answer the source gives to it."""
    places, wanted = [], []
    for prompt, answer in zip(prompts, answers):
        ids = [*prompt, *answer]
        table = reference.log_probs(ids)
        for at in np.unique(np.linspace(len(prompt) // 2, len(ids) - 1, POSITIONS).astype(int)):
            places.append(ids[:at + 1])
            wanted.append(table[at])
    return alike(wanted, engine.map(lambda ids: engine.log_probs(ids, vocab_size), places))


def alike(wanted: Sequence[np.ndarray], found: Sequence[np.ndarray]) -> Likeness:
    """Two models' (V,) log-probabilities at the same positions."""
    differences, kls, same, broken = [], [], [], [0, 0]
    for ours, theirs in zip(wanted, found):
        counted = np.exp(ours) > LIKELY
        nan = [not np.isfinite(ours).all(), bool(np.isnan(theirs).any())]  # -inf: what the engine leaves out, infinitely far away
        broken = [n + one for n, one in zip(broken, nan)]
        if any(nan):
            continue
        differences.append(np.abs(ours - theirs)[counted])
        kls.append(float((np.exp(ours[counted]) * (ours - theirs)[counted]).sum()))
        same.append(int(ours.argmax()) == int(theirs.argmax()))
    if not same:
        return Likeness(len(wanted), math.nan, math.nan, math.nan, math.nan, *broken)
    joined = np.concatenate(differences)
    return Likeness(len(wanted), float(joined.mean()), float(joined.max()), float(np.mean(kls)), float(np.mean(same)), *broken)


def too_far(likeness: Likeness, limits: Tolerance) -> str:
    """What is beyond the tolerance, empty where nothing is."""
    counts = {"source": likeness.source_broken, "export": likeness.export_broken}
    broken = [f"the {whose}'s are not finite at {n} of {likeness.positions} positions" for whose, n in counts.items() if n]
    if broken:
        return "; ".join(broken)
    far = []
    if limits.max_difference is not None and not likeness.max_difference <= limits.max_difference:  # NaN is beyond it
        far.append(f"log-probabilities differ by up to {likeness.max_difference:.2g} (allowed {limits.max_difference:.2g})")
    if not likeness.kl <= limits.kl:
        far.append(f"KL {likeness.kl:.2g} nats (allowed {limits.kl:.2g})")
    return "; ".join(far)


def compare_answers(engine: Engine, reference: Reference, prompts: Sequence[list[int]], answers: Sequence[list[int]],
                    ends: frozenset[int]) -> Answers:
    """Greedy answers token by token; where they part, the source's own two first choices say whether it was a near tie."""
    same = near = different = 0
    found = engine.map(lambda pair: engine.greedy(pair[0], len(pair[1]), ends), list(zip(prompts, answers)))
    for prompt, answer, tokens in zip(prompts, answers, found):
        ours, theirs = [t for t in answer if t not in ends], [t for t in tokens if t not in ends]
        if ours == theirs:
            same += 1
            continue
        at = next((i for i, (a, b) in enumerate(zip(ours, theirs)) if a != b), min(len(ours), len(theirs)))
        last = np.sort(reference.log_probs([*prompt, *ours[:at]])[-1])
        near, different = (near + 1, different) if last[-1] - last[-2] < NEAR_TIE else (near, different + 1)
    return Answers(same, near, different)
