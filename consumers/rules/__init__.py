"""The merge: functions from values to decisions, numbered as in `docs/merge.md`. No I/O; time is an argument."""
