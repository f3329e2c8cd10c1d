"""The soak: streams of every exchange, kind and market run against the local exchange while random faults act, and
everything that was sent is accounted for. `build.py soak` and `python -m barter_cffi.testing.soak` start it.

In the order of a round: `chaos` (which faults act, when) → `reader` (what comes) → `account`, `books` (what was sent
against what came); `run` has the streams, the rounds and the limits. A round is a few seconds of faults, then all
faults end, every market must bring an event that is sent from then on, and the account is made:

    sent = received + reported

`sent` is what the local exchange's journal says it wrote to any connection; trades that it tells again at a
subscription count once. `received` is what the stream brought. `reported` is the rest, and each event of it must be one
of these, else the account does not balance:

- It was written to a connection that broke, behind the last event that came of it. What came of a connection is a
  prefix of what was written to it, without a gap; between what came of two connections stands a `Reconnecting`.
- It is an update of an order book that a later snapshot contains. Between updates that came without a snapshot between
  them none is missing, and none comes between a break in the sequence and the next snapshot.

Nothing comes that was not sent. Nothing comes twice but what a fault sent twice, or in another order than a fault gave
it, and that at most as often as the fault acted. At the end of a round every book is the exchange's own. An exchange
on which no fault acted has no error and no `Reconnecting`, and errors are no more than faults that acted, unless the
machine held the whole process up, which is printed then.
"""
