// Package migrate carries an operator from the old design, one table of regexes per project, to hashed routes, while both are
// served and written: the phases, who moved through them when and why, and what each of them means for readers and writers.
//
// # Phases
//
//	legacy      the tables answer, and they alone are written; what is deleted loses its record as well
//	dual-write  both are written; the tables answer
//	backfill    as before; a job copies what only the tables have
//	verify      as before; what is stored is compared with what the tables say
//	ramp        a growing share of the sites is answered from the records
//	cutover     every site is answered from the records; the tables are still written, so that going back loses nothing
//	retired     the records alone; the tables can be deleted
//
// A server that never had tables is in the last phase from its first start. Every phase but the last can go back to any
// earlier one. Entering dual-write begins an epoch (store.Epoch), because records that were written before may be older than
// what the tables have said since: they count as absent until they are written again.
package migrate
