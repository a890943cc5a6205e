"""What is done about it: the merge rules (pure), the runner, the reconciler, the writer."""
