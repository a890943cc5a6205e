"""One composition function per process: where ports meet adapters."""
