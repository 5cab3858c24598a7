"""A Kafka broker and controller: Apache Kafka 4.1's protocol and files, leaders, followers and groups.

The study tour is README.md beside this file; `server.py` is where the process begins.
"""

KAFKA_VERSION = "4.1.1"
"""The Apache Kafka whose protocol, errors, settings and file formats these are."""
