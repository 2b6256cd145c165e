// Package backfill is the job that gives each entry of the tables of the old design its route record, while both are written.
//
// # Why nothing is missed, and nothing undone
//
// From the beginning of an epoch on, every change goes to the tables and to the records in one batch. So what the job has to
// copy is what stands in the tables unchanged since then; everything else has a record of the epoch, or is gone.
//
// A chunk, some pieces of tables, is read and understood from a snapshot, and written by one Update that reads the pieces
// again: if one is not what it was byte for byte, nothing is written, and the chunk is prepared anew. A record of the
// epoch is never replaced. A deleted entry is in no piece any more, so no deletion is undone.
//
// Dual-write moves entries that it does not record: when a host is taken out of a pattern of many, what is left of the pattern
// may have no room in its piece. It moves to the front of the table (numbers below dualwrite.Imported) or to its tail. So the job
// goes through the imported part first, then the tail, then the front: an entry never moves to a place that was passed.
//
// Which entry answers for a host depends on those before it, also in earlier pieces. The job goes through a table in its
// order, and keeps what the earlier pieces took (tables.Table); after a restart it reads them again. That an earlier entry
// changes meanwhile does no harm: it changes together with the record of its host.
//
// # What is kept
//
// Everything is in documents of the migration, so that a server that was killed goes on by itself. The checkpoint, "backfill",
// is in the same batch as the records that it counts. "backfill/control" is what operators say: paused, and the rate.
// What is owed to the rate is not kept: whenever a server starts, one piece of a table (some 250 entries) may be copied at once.
// "retry/<project>/<id>" are the entries that have no record and why, at most Options.MaxFailures of them.
package backfill
