"""Laws of the streams, each checked by hypothesis over in-memory channels: `strategies` makes what
is injected and `sets` what it is injected into, `reading` takes it out in every way there is, and
`ledger` settles what was sent with what was received.
"""
