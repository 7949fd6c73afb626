// Package promise states once what a client may rely on, in prose and as a
// check, so that every test of a fault asks the same questions. It is for tests
// alone.
//
// A [History] is told of attempts: what was sent, and what came back. An attempt
// is one call that left the client; a retry is another attempt, since an SDK's
// retries would hide the faults that are looked for. What came back is one of
// these, for each record: it was accepted, under an id; its key is held by a
// record that says something else; it was handed back unprocessed; it was
// refused; or nobody knows. An attempt that nobody knows the outcome of may be in
// the ledger or not; if it is, it is there once and as it was sent.
//
// At the end the history reads a [Ledger], which a store, an administrator's
// client and a crash image that was opened all are, and lists what was broken:
//
//   - I1, no loss: every record whose success a client saw is there.
//   - I2, no doubling: there is one record for each key, and no id twice; what is
//     billed is the sum, over the keys, of the quantity that was accepted first.
//   - I3, no change: a record is at any later time what it was when it was
//     acknowledged.
//   - I4, stable answers: the same key and the same claim get the same id for
//     ever; the same key and another claim get "duplicate", and the ledger is
//     not touched.
//   - I5, no phantom: every record goes back to an attempt that may have put it
//     there, and to an event of the account that made it.
//   - I6, batches: each record of a call is answered exactly once, and what was
//     handed back unprocessed is not in the ledger unless a later attempt put it
//     there.
//   - I7, isolation: no account is told of a record of another's.
//   - I8, time: a record lies in the hour that was claimed, whatever the clocks
//     did, so that no claim opens a second key.
//   - I9, ambiguity is never success: nothing is acknowledged while it cannot be
//     known to be kept, and nothing that was definitely refused is there.
//
// Beyond that, the answers about each key, and what was read of it, must have an
// order in which one copy of the ledger could have given them: they are
// linearizable (github.com/anishathalye/porcupine). A search for that order
// which runs out of time counts as a failure.
//
// The bytes of reliability's hash chain are not looked at: no store has one yet.
package promise
