"""The worked examples of `docs/merge.md`: a function `rule_<number>` for each, which runs the real rules."""
