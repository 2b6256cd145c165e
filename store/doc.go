// Package store keeps Berth's records in Pebble: typed records with versioned codecs, atomic fsynced updates, and a
// gap-free revision over all of them.
package store
