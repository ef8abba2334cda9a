"""The whole system as plain processes on one machine: without root, without containers, state in one folder."""
