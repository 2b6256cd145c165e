// Package verify proves that the route records say what the tables of the old design say.
//
// # How
//
// First, project by project and each at one revision of its own, the tables are read again, and the record of every host is
// compared with what the table says. Of the records that were found, their number and a digest of their keys is kept for each project.
//
// Then all records of the epoch are read once, at one revision, and the same is reckoned from them. Where the two agree, no record
// is there that no table knows. For the few projects where they do not, because there are such records or because something was
// deployed meanwhile, both are read once more at that revision, and what no table has is extra. Host keys are hashes: the host of an
// extra record is found by trying the hosts that the project has, or had an entry for.
//
// # What is kept
//
// "verify" is the report, as far as it has come, and what a restarted server goes on from; "verify/project/…" are the sums,
// until the end; "verify/site/…" are the projects that are not in agreement, by name.
package verify
