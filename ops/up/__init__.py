"""`tandem up`: every process on one machine, each in a process of its own that is started again when it ends."""
