"""Seeds of `mini simulate redis` that once failed, and why.

A seed takes another course as soon as the plan or the workload draws one time more, so what each has found is also a
test of its own, beside the chapter that was wrong; here they stay as seeds that are known to lead somewhere.
"""

FAILED = [
    # seed, appendfsync
    (96, "always"),  # a connection reset during its handshake: the client was never told of its end
    (33, "everysec"),  # MISCONF to clients told more than the system's own words for a full disk
    (250, "everysec"),  # a log with a failed fsync is cured by a rewrite, and that was put off for minutes
]
