"""Write the examples and the lists of tests in `docs/merge.md` anew: `make pages`."""

from pathlib import Path

from support.merge_examples.page import PAGE, with_examples

if __name__ == "__main__":
    root = Path(__file__).resolve().parent.parent
    page = root / PAGE
    page.write_text(with_examples(page.read_text(encoding="utf-8"), root), encoding="utf-8")
