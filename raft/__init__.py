"""Raft: a log that a majority agrees on, as a pure state machine.  The study tour is README.md beside this file."""
