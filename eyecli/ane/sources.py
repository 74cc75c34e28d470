"""Who says so: the documents behind every rule, down to the section, at the commit that was read.

Apple publishes no list of what the Neural Engine takes; a maintainer of coremltools says why in
issue 1780. So each rule is as good as its sources: Apple's own pages and code (A, B, H), chapters
of measurements on M1, M2 and M5 (C, C2), and what single users found (D, E, F).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Source:
    """A section of a document: what it is, and where."""

    title: str
    url: str


_DOCUMENTS = {
    "A": (
        "Apple, Core AI: authoring rules for the Neural Engine",
        "https://github.com/apple/coreai-models/blob/86b363d/skills/skills/model-authoring/"
        "references/neural_engine_rules.md",
    ),
    "B": (
        "Apple, coremltools",
        "https://github.com/apple/coremltools/blob/e0e2f42/",
    ),
    "C": (
        "ane-guide, measured on M1, M2 and M5",
        "https://github.com/sbryngelson/ane-guide/blob/9eb1afe/",
    ),
    "C2": (
        "ANEForge, sweep of single operations",
        "https://github.com/sbryngelson/ANEForge/blob/067717a/aneforge/"
        "full_mil_vocabulary_sweep.json",
    ),
    "D": ("hollance/neural-engine", "https://github.com/hollance/neural-engine/"),
    "E": (
        "Apple Neural Engine field guide, one user with an M3 Max",
        "https://github.com/skyfallsin/apple-neural-engine-field-guide",
    ),
    "F": ("coremltools, issue", "https://github.com/apple/coremltools/issues/"),
    "H": (
        "Apple, transformers on the Neural Engine",
        "https://machinelearning.apple.com/research/neural-engine-transformers",
    ),
}

_GUIDE = "docs-guides/source/"
_C3 = "part-1-machine/03-numerics.md"
_C4 = "part-1-machine/04-capability-surface.md"
_C17 = "part-5-practice/17-model-design-rules.md"
_C24 = "part-7-toolchain/24-hal-gates.md"
_CA = "appendices/a-op-device-matrix.md"

# Key to what follows the document's address, and what the section is about.
_SECTIONS: dict[str, tuple[str, str]] = {
    "A/constraints": ("#neural-engine-programming-constraints", "rank, types, static shapes"),
    "A/residency": ("#neural-engine-residency", "transfers between accelerators"),
    "A/alignment": ("#tensor-memory-alignment", "the last axis"),
    "A/layout": ("#bc1s-format", "channels first"),
    "A/copies": ("#avoid-unnecessary-memory-copies", "reshape and transpose"),
    "A/linear": ("#conv2d-instead-of-linear", "1x1 convolutions"),
    "A/high-level": ("#prefer-high-level-ops", "fused operations"),
    "A/float32": ("#float32-intermediates", "float32 literals and operations"),
    "A/softmax": ("#softmax-placement", "softmax"),
    "A/strides": ("#convolution-stride-optimization", "strides and kernels"),
    "A/kernels": ("#large-kernel-decomposition", "large kernels"),
    "A/dilation": ("#dilated-convolution-factorization", "dilation"),
    "A/pools": ("#pooling-stride", "pooling strides"),
    "A/compression": ("#model-compression", "palettization"),
    "A/mask": ("#causal-mask", "minus infinity"),
    "B/programs": (_GUIDE + "convert-to-ml-program.md", "ML Programs"),
    "B/types": (_GUIDE + "typed-execution.md", "float16 on GPU and Neural Engine"),
    "B/flexible": (_GUIDE + "flexible-inputs.md", "flexible shapes"),
    "B/faqs": (_GUIDE + "faqs.md", "flexible shapes and compute units"),
    "B/utilities": (_GUIDE + "mlmodel-utilities.md", "models under 1 GB"),
    "B/opt": (_GUIDE + "opt-overview.md", "compression by compute unit"),
    "B/quantization": (_GUIDE + "opt-quantization-overview.md", "W8A8"),
    "B/prediction": (_GUIDE + "model-prediction.md", "first load"),
    "B/entry": ("coremltools/converters/_converters_entry.py#L893", "int8 inputs need iOS 26"),
    "C/3": (_C3, "chapter 3, numerics"),
    "C/4-limits": (_C4 + "#hard-limits", "chapter 4, hard limits"),
    "C/4-types": (_C4 + "#type-limits", "chapter 4, types"),
    "C/4-reachable": (_C4 + "#attested-is-not-reachable", "chapter 4, 3-D convolution"),
    "C/4-envelope": (_C4 + "#reference-the-compile-legal-envelope", "chapter 4, what compiles"),
    "C/9": ("part-3-performance/09-roofline.md", "chapter 9, dispatch"),
    "C/17-types": (_C17 + "#dtype-rule", "chapter 17, types"),
    "C/17-shapes": (_C17 + "#shape-and-rank-limits", "chapter 17, shapes"),
    "C/17-modes": (_C17 + "#mode-and-divisibility-rules", "chapter 17, modes"),
    "C/17-memory": (_C17 + "#working-set-rule", "chapter 17, working set"),
    "C/17-validators": (
        _C17 + "#reference-the-per-operation-validator-envelopes",
        "chapter 17, validators",
    ),
    "C/24-gate": (_C24 + "#operation-gate", "chapter 24, operations by family"),
    "C/24-kernel": (_C24 + "#kernel-memory-split", "chapter 24, kernel memory"),
    "C/34": ("part-9-cross-silicon/34-the-28-targets.md", "chapter 34, targets and formats"),
    "C/A-limits": (_CA + "#per-chip-numeric-limits", "appendix A, limits"),
    "C/A-conv": (_CA + "#convolution-matrix-multiply-and-pooling", "appendix A, convolution"),
    "C/A-norm": (_CA + "#normalization", "appendix A, normalization"),
    "C/A-arithmetic": (_CA + "#elementwise-arithmetic", "appendix A, arithmetic"),
    "C/A-logic": (_CA + "#comparison-and-logical", "appendix A, comparison and logic"),
    "C/A-activations": (_CA + "#activations", "appendix A, activations"),
    "C/A-reduction": (_CA + "#reduction", "appendix A, reduction"),
    "C/A-movement": (_CA + "#data-movement-and-structural", "appendix A, data movement"),
    "C/A-texture": (_CA + "#image-resize-and-texture", "appendix A, resize and texture"),
    "C/A-quantization": (_CA + "#quantization-and-dtype", "appendix A, quantization"),
    "C/A-control": (_CA + "#attention-control-flow-and-state", "appendix A, control and state"),
    "C/A-recurrent": (_CA + "#recurrent-cells", "appendix A, recurrent cells"),
    "C/A-trigonometry": (_CA + "#trigonometric-special-and-math", "appendix A, trigonometry"),
    "C/A-sampling": (_CA + "#detection-and-sampling", "appendix A, sorting and sampling"),
    "D/unsupported": ("blob/master/docs/unsupported-layers.md", "layers that do not work"),
    "D/devices": ("blob/master/docs/supported-devices.md", "devices and their chips"),
    "D/1": ("issues/1", "issue 1, global pooling"),
    "D/2": ("issues/2", "issue 2, messages of Espresso"),
    "D/44": ("issues/44", "issue 44, raw MIL"),
    "F/1023": ("1023", "LeakyReLU"),
    "F/1229": ("1229", "overflow in batches"),
    "F/1278": ("1278", "control flow"),
    "F/1764": ("1764", "flexible shapes"),
    "F/1780": ("1780", "no static list exists"),
    "F/1901": ("1901", "padded average pooling"),
    "F/1909": ("1909", "layer_norm with enumerated shapes"),
    "F/2370": ("2370", "enumerated shapes, measured"),
    "F/2450": ("2450", "transposed convolution of a large stride"),
    "F/2631": ("2631", "states of a multiple of 32"),
}


def _all() -> dict[str, Source]:
    made = {}
    for key, (where, what) in _SECTIONS.items():
        title, url = _DOCUMENTS[key.partition("/")[0]]
        made[key] = Source(f"{title}: {what}", url + where)
    for key in ("C2", "E", "H"):
        made[key] = Source(*_DOCUMENTS[key])
    return made


SOURCES: dict[str, Source] = _all()
