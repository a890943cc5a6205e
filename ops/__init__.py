"""What runs and who is on call: the processes, the commands, the demo."""
