// Package ramp moves sites from one side to the other: the stored configuration that says who answers, the follower that puts it
// in force, and a guard that raises the percentage step by step and takes it back by itself.
//
// # The configuration
//
// It is one document, changed by SetRollout with the revision that the caller has seen: of two operators at once the second is told what
// the first has changed. Every change is a line of the migration's log, in the same batch. Follow puts a change in force before the Update
// that made it returns. What an earlier epoch gave to hashed is void: it was given to other records. Sites that are kept on
// the tables by name stay there.
//
// # The guard
//
// A Guard holds each step for a time, judges what happened in it, and goes on, or back to the last good step. It judges by
//
//   - questions that both sides were asked (package shadow): answers that differ, errors, p99;
//   - requests that hashed answered (package rollout): its errors, and hosts that only the tables knew.
//
// Silence is not health: a step is good only once both have enough samples; until then it is held, and Progress says what is
// awaited. A bound is broken early only by figures that would break it over the least number of samples too.
//
// # Restarts
//
// Where the guard stands is a document, written in the batch that changes the percentage, so the two never disagree. A server
// that starts again goes on with the step it was at, and holds it for the whole time from the beginning: the counts before the
// restart are gone, and half a soak proves nothing. A process that crashes again and again therefore never gets farther.
// Holding is measured with the monotonic clock; the wall clock only dates records.
//
// Whoever changes the percentage or the phase while the guard runs stops it: an operator's word goes before the plan's.
package ramp
