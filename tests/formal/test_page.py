"""The page on proofs names all of them, as they are."""

import importlib
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
MODULES = [f"tests.formal.{path.stem}" for path in sorted(Path(__file__).parent.glob("test_*.py"))]


def table():
    """The proofs of all files, as a Markdown table."""
    proofs = [
        (module, proof)
        for module in MODULES
        for proof in getattr(importlib.import_module(module), "PROOFS", [])
    ]
    names = [proof.name for _, proof in proofs]
    assert len(names) == len(set(names)) > 8
    rows = [
        f"| {proof.name} | {proof.claim} | [`{module.split('.')[-1]}.py`](../{module.replace('.', '/')}.py) |"
        for module, proof in proofs
    ]
    return "\n".join(["| of | what is proved | in |", "|---|---|---|", *rows])


def test_page_names_every_proof():
    page = (ROOT / "docs" / "verification.md").read_text()
    assert table() in page, f"expected this table in the page:\n{table()}"


if __name__ == "__main__":
    sys.stdout.write(table() + "\n")
