"""Per server: what clients do, what goes wrong meanwhile, and what must be true afterwards.

Written once, on asyncio streams, and run three times: under virtual time by the simulator, against real processes by
`lab/chaos.py`, and by the tests.  A scenario knows no server of ours; it speaks the protocol, like any client.
"""
