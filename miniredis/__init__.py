"""A Redis server: RESP2 and RESP3, Redis 7.2's commands, RDB and AOF files that the real one reads.

The study tour is README.md beside this file; `server.py` is where the process begins.
"""

REDIS_VERSION = "7.2.4"
"""The Redis whose commands, replies and encodings these are: what HELLO, INFO and `redis_version` answer."""
