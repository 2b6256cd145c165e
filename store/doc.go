// Package store keeps Berth's records in Pebble: typed records with versioned codecs, atomic fsynced updates, and a
// gap-free revision over all of them.
//
// # Commits
//
// Every change goes through Store.Update. One goroutine, the committer, runs the waiting functions one after the other
// against one indexed batch, so that what a function checked is still true when its change is made. The batch is
// written and fsynced once for all of them (group commit). Each function that wrote something is one commit with the
// next Revision; a function that fails, panics or is cancelled before it began leaves no trace and takes no number. After
// the fsync the committer publishes the new state, runs the OnCommit hooks in the order of revisions, and answers the
// callers. The revision, the numbers of accounts, projects and deployments, and the count of wildcards are in the same
// batch as the change.
//
// # What a reader may see before the fsync: nothing
//
// Pebble itself makes a batch visible before it is durable: its commit pipeline writes the log record, applies the batch
// to the memtable, publishes the sequence number, and only then waits for the sync (commitPipeline.Commit and publish in
// commit.go; DB.ApplyNoSyncWait says the same of the usual case). A browser could then be served a deployment which a
// power cut takes back, and caches could be filled with it. So nobody here reads Pebble's newest state: all reads outside
// of Update, LookupRoute included, go through a Pebble snapshot that the committer replaces after the sync has returned.
// What was served once is never lost; what is lost was never served. A group becomes visible as a whole.
//
// An Update that returned is seen by every read that begins afterwards. A read that runs at the same time may see the
// state before it.
//
// # Failing disks
//
// A disk with less than Options.MinFreeBytes left makes Update fail with ErrDiskFull before anything is tried, and
// service resumes by itself when there is room. UpdateFreeing, for deleting, goes on down to an eighth of that. Open, which
// must replay the log, fails with ErrDiskFull if it has no room; it ends at the first error of the disk, though Pebble would
// try for ever. An error of the disk itself (EIO, or ENOSPC after all) while a group is
// being made durable fails it with ErrUncertain: nobody sees it now, and at the next Open it is there whole or not at all,
// because it is one record of the log. From then on reads go on, at the last acknowledged state, and Update fails with
// ErrBroken, since Pebble cannot go on after a failed log. The comment on guard says how this is kept from ending the
// process.
//
// # Keys and formats
//
// The key layout is in keys.go. Values begin with a version of their own, see encoding.go. FormatVersion guards the whole:
// a database of a newer one is refused.
package store
