"""A client of our own, on the wire declarations of the broker: what `mini kafka topics|produce|consume|...` stand on.

connection.py one socket, versions agreed on first; cluster.py who leads what, and whom to ask; then a chapter per task:
partitioner.py, producer.py, consumer.py with group_member.py and assignors.py, admin.py.  It speaks to any Kafka since 2.4.
"""
