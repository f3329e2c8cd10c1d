"""Laws of the streams, each checked by hypothesis over in-memory channels: `strategies` makes what
is injected, `reading` takes it out in every way there is, `ledger` settles what was sent with what
was received.
"""
