"""Licences by what they ask of a model made from something under them, and the many ways in which people write their names.

Identifiers are the hub's (huggingface.co/docs/hub/repositories-licenses); Creative Commons licences are read by their elements.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

# from the freest to the one that allows nothing: the licence of a model is the last of those it is made from
PUBLIC, PERMISSIVE, ATTRIBUTION, NONCOMMERCIAL, SHARE_ALIKE, OWN_TERMS, NO_DERIVATIVES, PROPRIETARY, UNKNOWN = KINDS = (
    "public domain", "permissive", "attribution", "non-commercial", "share-alike", "own terms", "no-derivatives", "proprietary", "unknown")


@dataclass(frozen=True)
class Licence:
    """id: the hub's identifier. kind: one of KINDS; one that is non-commercial and share-alike is of the kind share-alike."""

    id: str
    name: str
    kind: str
    noncommercial: bool = False
    url: str = ""

    @property
    def binding(self) -> bool:
        """What is made from it must be under the same licence."""
        return self.kind in (SHARE_ALIKE, OWN_TERMS)

    @property
    def forbidding(self) -> bool:
        """No model made from it may be given to others, or nobody knows whether it may."""
        return self.kind in (NO_DERIVATIVES, PROPRIETARY, UNKNOWN)

    @property
    def rank(self) -> tuple[int, bool, int, str]:
        """The larger, the more it asks."""
        return KINDS.index(self.kind), self.noncommercial, _ORDER.get(self.id, 0), self.id


_NAMES = {
    PUBLIC: {"cc0-1.0": "CC0 1.0", "pddl": "PDDL", "unlicense": "The Unlicense", "wtfpl": "WTFPL", "public-domain": "public domain"},
    PERMISSIVE: {
        "mit": "MIT", "isc": "ISC", "bsd": "BSD", "bsd-2-clause": "BSD 2-Clause", "bsd-3-clause": "BSD 3-Clause", "zlib": "zlib",
        "bsd-3-clause-clear": "BSD 3-Clause Clear", "bsl-1.0": "Boost 1.0", "ncsa": "NCSA", "postgresql": "PostgreSQL",
        "afl-3.0": "AFL 3.0", "artistic-2.0": "Artistic 2.0", "ecl-2.0": "ECL 2.0", "apache-2.0": "Apache 2.0",
    },
    ATTRIBUTION: {
        "odc-by": "ODC-By", "etalab-2.0": "Etalab 2.0", "c-uda": "C-UDA", "cdla-permissive-1.0": "CDLA Permissive 1.0",
        "cdla-permissive-2.0": "CDLA Permissive 2.0",
    },
    SHARE_ALIKE: {
        "gpl-2.0": "GPL 2.0", "gpl-3.0": "GPL 3.0", "agpl-3.0": "AGPL 3.0", "lgpl-2.1": "LGPL 2.1", "lgpl-3.0": "LGPL 3.0",
        "mpl-2.0": "MPL 2.0", "epl-1.0": "EPL 1.0", "epl-2.0": "EPL 2.0", "eupl-1.1": "EUPL 1.1", "osl-3.0": "OSL 3.0",
        "ms-pl": "MS-PL", "odbl": "ODbL", "gfdl": "GFDL", "cdla-sharing-1.0": "CDLA Sharing 1.0", "lgpl-lr": "LGPL-LR",
    },
    OWN_TERMS: {
        "llama2": "Llama 2 Community License", "llama3": "Llama 3 Community License", "llama3.1": "Llama 3.1 Community License",
        "llama3.2": "Llama 3.2 Community License", "llama3.3": "Llama 3.3 Community License", "llama4": "Llama 4 Community License",
        "gemma": "Gemma Terms of Use", "openrail": "OpenRAIL", "openrail++": "OpenRAIL++-M",
        "bigscience-openrail-m": "BigScience OpenRAIL-M", "creativeml-openrail-m": "CreativeML OpenRAIL-M",
        "bigcode-openrail-m": "BigCode OpenRAIL-M", "bigscience-bloom-rail-1.0": "BigScience BLOOM RAIL 1.0",
    },
}
_URLS = {
    "llama2": "https://ai.meta.com/llama/license/", "llama3": "https://www.llama.com/llama3/license/",
    "llama3.1": "https://www.llama.com/llama3_1/license/", "llama3.2": "https://www.llama.com/llama3_2/license/",
    "llama3.3": "https://www.llama.com/llama3_3/license/", "llama4": "https://www.llama.com/llama4/license/",
    "gemma": "https://ai.google.dev/gemma/terms",
}
_ORDER = {name: place for place, name in enumerate(name for names in _NAMES.values() for name in names)}
LICENCES = {name: Licence(name, text, kind, url=_URLS.get(name, "")) for kind, names in _NAMES.items() for name, text in names.items()}

# an older licence that lets what is made from it go under a newer or stricter one: creativecommons.org/compatiblelicenses, gnu.org/licenses
_MOVES = {
    "cc-by-sa-2.0": ("cc-by-sa-2.5", "cc-by-sa-3.0", "cc-by-sa-4.0"), "cc-by-sa-2.5": ("cc-by-sa-3.0", "cc-by-sa-4.0"),
    "cc-by-sa-3.0": ("cc-by-sa-4.0",), "cc-by-sa-4.0": ("gpl-3.0",),
    "cc-by-nc-sa-2.0": ("cc-by-nc-sa-2.5", "cc-by-nc-sa-3.0", "cc-by-nc-sa-4.0"), "cc-by-nc-sa-2.5": ("cc-by-nc-sa-3.0", "cc-by-nc-sa-4.0"),
    "cc-by-nc-sa-3.0": ("cc-by-nc-sa-4.0",), "public-domain": ("cc0-1.0",), "lgpl-3.0": ("gpl-3.0", "agpl-3.0"), "gpl-3.0": ("agpl-3.0",),
}
_CLASHES = frozenset({("apache-2.0", "gpl-2.0"), ("apache-2.0", "lgpl-2.1")})  # gnu.org/licenses/license-list.html#apache2

_NOISE = frozenset({"the", "a", "license", "licence", "licensed", "under", "version", "v", "public", "community", "agreement", "only", "or",
                    "later", "of", "terms", "use", "software"})
_ALIASES = {"apache": "apache-2.0", "gpl": "", "boost": "bsl-1.0", "bsd-3": "bsd-3-clause", "bsd-2": "bsd-2-clause", "odbl-1": "odbl",
            "odc-by-1": "odc-by", "pddl-1": "pddl", "gfdl-1.3": "gfdl", "c-uda-1": "c-uda", "expat": "mit"}
_REFUSING = re.compile(r"all rights reserved|proprietary|confidential|©|\bcopyright(ed)?\b")
_CC = re.compile(r"\bcc\b|creative\s*commons")
_CC_NOISE = _NOISE | {"cc", "creative", "commons", "creativecommons", "org", "https", "http", "www", "licenses", "international", "intl",
                      "unported", "deed", "en", "igo", "generic", "us", "by", "attribution"}
_CC0 = re.compile(r"\bcc[- ]?0\b|publicdomain/zero")
_CC0_NOISE = _CC_NOISE - {"by", "attribution"} | {"1", "1.0", "universal", "domain", "dedication", "zero", "legalcode"}
_CC_ELEMENTS = (("nc", r"\bnc\b|non[- ]?commercial"), ("nd", r"\bnd\b|no[- ]?deriv(?:ative)?s?(?: works)?"),
                ("sa", r"\bsa\b|share[- ]?alike"))
_HUB_CC = frozenset({"by-2.0", "by-2.5", "by-3.0", "by-4.0", "by-sa-3.0", "by-sa-4.0", "by-nc-2.0", "by-nc-3.0", "by-nc-4.0", "by-nd-4.0",
                     "by-nc-nd-3.0", "by-nc-nd-4.0", "by-nc-sa-2.0", "by-nc-sa-3.0", "by-nc-sa-4.0"})


def parse_licence(text: str | None) -> Licence:
    """What a name, an identifier or a Creative Commons address means; of `A OR B` the freer one. UNKNOWN where it isn't clear."""
    choices = [_parse(part) for part in re.split(r"\s+OR\s+", str(text or ""))]
    return min(choices, key=lambda licence: licence.rank)


def split_all(text: str) -> list[str]:
    """`A AND B` -> A, B."""
    return re.split(r"\s+AND\s+", text)


def moves_to(licence: Licence) -> Iterator[Licence]:
    """The other licences under which something made from a share-alike one may be."""
    yield from (parse_licence(name) for name in _MOVES.get(licence.id, ()))


def clash(one: Licence, other: Licence) -> bool:
    """Both can't be kept at once, though neither binds the other."""
    return (one.id, other.id) in _CLASHES or (other.id, one.id) in _CLASHES


def on_hub(licence: Licence) -> bool:
    """The hub knows the identifier; else a card says `other` and the name."""
    return licence.id.removeprefix("cc-") in _HUB_CC or licence.id in LICENCES and licence.id != "public-domain"


def known_ids() -> list[str]:
    """Identifiers that a model may have, the freest first."""
    found = [*LICENCES.values(), *(parse_licence(f"cc-{name}") for name in _HUB_CC)]
    return [licence.id for licence in sorted(found, key=lambda licence: licence.rank) if on_hub(licence)]


def _parse(text: str) -> Licence:
    plain = " ".join(text.casefold().replace("_", "-").split())
    if _REFUSING.search(plain):
        return Licence("proprietary", text.strip(), PROPRIETARY)
    found = None
    if not any(character.isalpha() and not character.isascii() for character in plain):  # words in a script that isn't read
        found = _cc0(plain) if _CC0.search(plain) else _creative_commons(plain) if _CC.search(plain) else _by_words(plain)
    return found or Licence("unknown", text.strip() or "unknown", UNKNOWN)


def _by_words(plain: str) -> Licence | None:
    if plain in LICENCES:
        return LICENCES[plain]
    if re.fullmatch(r"(in )?(the )?public[- ]domain( dedication)?", plain):
        return LICENCES["public-domain"]
    key = _key(plain)
    return LICENCES.get(_ALIASES.get(key, "")) or _BY_KEY.get(key)


def _key(plain: str) -> str:
    """`apache license, version 2.0` and `apache2` -> `apache-2`."""
    words = re.findall(r"[a-z+]+|\d+(?:\.\d+)*", re.sub(r"(?<=[a-z])v(?=\d)", " ", plain))  # gplv3
    return "-".join(re.sub(r"(\.0)+$", "", word) for word in words if word not in _NOISE)


_BY_KEY = {_key(text.casefold()): licence for licence in LICENCES.values() for text in (licence.name, licence.id)
           if licence.id != "public-domain"}  # `domain` alone says nothing


def _cc0(plain: str) -> Licence | None:
    """None where a word isn't understood: images may be under something else."""
    words = set(re.findall(r"[a-z]+|\d+(?:\.\d+)*", _CC0.sub(" ", plain)))
    return LICENCES["cc0-1.0"] if words <= _CC0_NOISE else None


def _creative_commons(plain: str) -> Licence | None:
    """None where a word isn't understood, or `by` isn't among them. Without a version: 4.0."""
    elements, rest = [], plain
    for element, pattern in _CC_ELEMENTS:
        if re.search(pattern, rest):
            elements.append(element)
            rest = re.sub(pattern, " ", rest)
    versions = {found if "." in found else f"{found}.0" for found in re.findall(r"\d(?:\.\d)?", rest)}
    words = set(re.findall(r"[a-z]+", rest))
    if not words & {"by", "attribution"} or words - _CC_NOISE or len(versions) > 1 or {"sa", "nd"} <= set(elements):
        return None
    version = versions.pop() if versions else "4.0"
    letters = "-".join(["by", *(e for e in ("nc", "nd", "sa") if e in elements)])
    kind = (NO_DERIVATIVES if "nd" in elements else SHARE_ALIKE if "sa" in elements else NONCOMMERCIAL if "nc" in elements else ATTRIBUTION)
    return Licence(f"cc-{letters}-{version}", f"CC {letters.upper()} {version}", kind, "nc" in elements,
                   f"https://creativecommons.org/licenses/{letters}/{version}/")
